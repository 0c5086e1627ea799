import NIOCore
import NIOPosix
import Testing

@testable import Wire

@Suite struct SocketDialerTests {
    @Test(
        "a proxy's place is loopback or a socket file, and its Host is one that the proxy lets in",
        arguments: [
            ("http://127.0.0.1:8080", .tcp(host: "127.0.0.1", port: 8080), "127.0.0.1:8080"),
            ("http://127.0.0.1:8080/", .tcp(host: "127.0.0.1", port: 8080), "127.0.0.1:8080"),
            ("HTTP://LOCALHOST:1", .tcp(host: "127.0.0.1", port: 1), "127.0.0.1:1"),
            ("http://[::1]:65535", .tcp(host: "::1", port: 65535), "[::1]:65535"),
            ("http://127.0.0.1", .tcp(host: "127.0.0.1", port: 80), "127.0.0.1"),
            ("unix:/run/a.sock", .unix(path: "/run/a.sock"), "localhost"),
            ("/run/a.sock", .unix(path: "/run/a.sock"), "localhost"),
        ] as [(String, ProxyPlace, String)])
    func placeIsRead(text: String, place: ProxyPlace, host: String) throws {
        #expect(try ProxyPlace(text) == place)
        #expect(try ProxyPlace(text).host == host)
    }

    @Test(
        "whatever leads off this machine, or nowhere, is refused",
        arguments: [
            "", "http://", "http://example.org", "http://127.0.0.1.example.org:80", "http://10.0.0.1:80",
            "https://127.0.0.1:80", "http://user@127.0.0.1:80", "http://user:p@127.0.0.1:80",
            "http://127.0.0.1:80/path",
            "http://127.0.0.1:80/?q", "http://127.0.0.1:0", "http://127.0.0.1:65536", "http://0.0.0.0:80",
            "http://[::]:80", "127.0.0.1:80", "unix:", "ftp://127.0.0.1", "unix:" + String(repeating: "x", count: 108),
        ])
    func otherPlacesAreRefused(text: String) {
        #expect(throws: ProxyPlaceError.self) { try ProxyPlace(text) }
    }

    @Test("a place where nobody listens is unreachable, with the system's word for it")
    func nobodyListens() async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let listener = try await ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(listener.localAddress?.port)
        try await listener.close()
        for place in [ProxyPlace.tcp(host: "127.0.0.1", port: port), .unix(path: "/nowhere.sock")] {
            let client = GatewayClient(dialer: SocketDialer(place: place, group: group))
            let error = await #expect(throws: AgentUnreachable.self) { try await client.request(path: "/") }
            guard case .dial(let why)? = error?.cause else {
                Issue.record("\(String(describing: error))")
                continue
            }
            #expect(why == "Connection refused" || why == "No such file or directory")
        }
    }
}
