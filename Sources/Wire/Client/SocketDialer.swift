internal import Foundation
public import NIOCore
internal import NIOPosix

// How does a program on this machine speak to its agent through `openagent proxy`? As every local program does: over a
// plain socket, to loopback or to a file, and nowhere else, since what it sends may hold the proxy's token.

/// Where a proxy on this machine listens.
public enum ProxyPlace: Sendable, Equatable, CustomStringConvertible {
    /// A loopback address.
    case tcp(host: String, port: Int)
    case unix(path: String)

    /// Reads what `openagent proxy` printed: `http://127.0.0.1:PORT`, `http://localhost:PORT`, `http://[::1]:PORT`, or a
    /// socket's path, which may stand behind `unix:`.
    ///
    /// - Throws: ``ProxyPlaceError``
    public init(_ text: String) throws(ProxyPlaceError) {
        if text.hasPrefix("/") || text.hasPrefix("unix:") {
            let path = text.hasPrefix("/") ? text : String(text.dropFirst("unix:".count))
            guard !path.isEmpty, !path.utf8.contains(0) else { throw .notAPlace(text) }
            guard path.utf8.count <= Self.longestPath else { throw .pathTooLong(path) }
            self = .unix(path: path)
            return
        }
        guard let url = URLComponents(string: text), url.scheme?.lowercased() == "http",
            let host = url.host?.lowercased(), url.user == nil, url.password == nil,
            url.path.isEmpty || url.path == "/",
            url.query == nil, url.fragment == nil
        else { throw .notAPlace(text) }
        let bare = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        guard ["127.0.0.1", "localhost", "::1"].contains(bare) else { throw .notLoopback(host) }
        guard (1...65_535).contains(url.port ?? 80) else { throw .notAPlace(text) }
        // The proxy listens on addresses; what a hosts file makes of the name is not asked.
        self = .tcp(host: bare == "localhost" ? "127.0.0.1" : bare, port: url.port ?? 80)
    }

    /// A socket's path is kept in 108 bytes, with a zero at its end.
    private static let longestPath = 107

    public var description: String {
        switch self {
        case .tcp: "http://\(host)"
        case .unix(let path): "unix:\(path)"
        }
    }

    /// What requests carry in `Host`: the proxy lets in only who names this machine.
    public var host: String {
        switch self {
        case .tcp(let host, let port):
            (host.contains(":") ? "[\(host)]" : host) + (port == 80 ? "" : ":\(port)")
        case .unix: "localhost"
        }
    }
}

/// Why a text names no proxy.
public enum ProxyPlaceError: Error, Equatable, CustomStringConvertible {
    case notAPlace(String)
    case notLoopback(String)
    case pathTooLong(String)

    public var description: String {
        switch self {
        case .notAPlace(let text): "'\(text)' is neither http://127.0.0.1:PORT nor unix:PATH"
        case .notLoopback(let host):
            "'\(host)' is not this machine's loopback address: a proxy is spoken to locally only"
        case .pathTooLong(let path): "\(path) is too long for a socket: 107 bytes at most"
        }
    }
}

/// Opens a socket for each stream; the proxy behind it carries the stream to the agent.
public struct SocketDialer: GatewayDialer {
    private let place: ProxyPlace
    private let timeout: Duration
    private let group: any EventLoopGroup

    /// - Parameter timeout: for one connection.
    public init(place: ProxyPlace, timeout: Duration = .seconds(5), group: any EventLoopGroup) {
        self.place = place
        self.timeout = timeout
        self.group = group
    }

    public func openStream<R: Sendable>(
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<R>
    ) async throws -> R {
        let address: SocketAddress
        do {
            switch place {
            case .tcp(let host, let port): address = try SocketAddress(ipAddress: host, port: port)
            case .unix(let path): address = try SocketAddress(unixDomainSocketPath: path)
            }
            return try await ClientBootstrap(group: group)
                .connectTimeout(TimeAmount(timeout))
                .connect(to: address) { channel in
                    initializer(channel).flatMapErrorThrowing { throw InitializerFailure(underlying: $0) }
                }
        } catch let failure as InitializerFailure {
            throw failure.underlying
        } catch let error as CancellationError {
            throw error
        } catch {
            throw AgentUnreachable(agent: "behind \(place)", cause: .dial(Self.reason(error)))
        }
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case let error as IOError: String(cString: strerror(error.errnoCode))
        case ChannelError.connectTimeout: "it did not answer in time"
        default: "\(error)"
        }
    }
}

/// The caller's own pipeline setup failed: no fault of the socket.
private struct InitializerFailure: Error {
    let underlying: any Error
}
