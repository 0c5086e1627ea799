import Foundation
import LoopbackProxy
import NIOCore
import NIOPosix
import Testing
import Wire

@Suite(.timeLimit(.minutes(1))) struct ProxyTests {
    @Test func passesRequestsAndAnswersUnchangedOnOneConnection() async throws {
        try await withAgent(echoHeads) { port in
            try await withProxy(dialer: TCPDialer(port: port)) { address in
                #expect("\(address)" == "http://127.0.0.1:\(address.port)")
                try await withClient(address) { client in
                    for path in ["/a?x=1", "/b"] {
                        let request =
                            "GET \(path) HTTP/1.1\r\nHost: localhost:\(address.port)\r\nRange: bytes=1-2\r\nx-A: \u{e9}\r\n\r\n"
                        try await client.write(request)
                        let answer = try await client.response()
                        #expect(answer.head == "HTTP/1.1 200 OK\r\nContent-Length: \(request.utf8.count)\r\n\r\n")
                        #expect(answer.body == request)
                    }
                    client.finish()
                    #expect(try await client.readToEnd() == "")
                }
            }
        }
    }

    @Test func anUnreachableAgentIsAnswered502WithWhyAndWhatToTry() async throws {
        try await withProxy(dialer: TCPDialer(port: 1)) { address in
            try await withClient(address) { client in
                try await client.write("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                let answer = try await client.response()
                #expect(answer.head.hasPrefix("HTTP/1.1 502 Bad Gateway\r\n"), "\(answer)")
                let body = try JSONDecoder().decode([String: String].self, from: Data(answer.body.utf8))
                #expect(body["code"] == "agent_unreachable")
                #expect(body["error"]?.contains("connection \"refused\"") == true)
                #expect(body["hint"]?.isEmpty == false)
                #expect(try await client.readToEnd() == "")
            }
        }
    }
}
