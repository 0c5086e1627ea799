internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL
internal import Wire

// How is a WebSocket of a platform spoken? By the client that also speaks to the agent, over a connection to somebody else: TCP, or TLS
// with the certificate verified. What the messages mean is the platform's affair; addresses hold tokens and stand in no error.

/// An open WebSocket of a platform, for the duration of one ``with(url:headers:limits:roots:_:)`` call. Pings are answered by themselves.
/// What is not read is bounded: past it the platform is held back.
struct PlatformSocket: Sendable {
    private let socket: WebSocketConnection

    /// What arrives, in order. For one consumer, and once.
    var events: Events { Events(base: socket.events) }

    /// Large enough for the greeting of a Discord account with many servers.
    static let limits: WebSocketConnection.Limits = {
        var limits = WebSocketConnection.Limits()
        limits.frame = 16 << 20
        limits.message = 16 << 20
        return limits
    }()

    /// Connects and runs `body`. The connection ends when `body` returns.
    ///
    /// - Parameters:
    ///   - url: `wss` or `ws`, with its query.
    ///   - roots: a PEM file of those who may have signed the platform's certificate; nil: whom the system trusts.
    /// - Throws: ``PlatformFailure``, `CancellationError`, what `body` throws.
    static func with<R: Sendable>(
        url: String, headers: [(String, String)] = [], limits: WebSocketConnection.Limits = limits,
        roots: String? = nil, _ body: (PlatformSocket) async throws -> R
    ) async throws -> R {
        let address = try SocketAddressee(url)
        let dialer = PlatformDialer(address: address, roots: roots)
        var fields = HTTPHeaders(headers)
        fields.replaceOrAdd(name: "Host", value: address.authority)
        do {
            return try await GatewayClient(dialer: dialer).withWebSocket(
                path: address.path, headers: fields, limits: limits
            ) { try await body(PlatformSocket(socket: $0)) }
        } catch { throw try failure(error) }
    }

    /// Sends one text message; waits while the platform does not take more.
    func send(_ text: String) async throws { try await telling { try await socket.send(text) } }

    /// Asks for a sign of life, which arrives as `pong`.
    func ping() async throws { try await telling { try await socket.ping() } }

    /// Says goodbye; the platform's own goodbye ends ``events``.
    func close(code: UInt16 = 1000, reason: String = "") async throws {
        try await telling { try await socket.close(code: code, reason: reason) }
    }

    private func telling(_ body: () async throws -> Void) async throws {
        do { try await body() } catch { throw try Self.failure(error) }
    }

    /// What arrives at a ``PlatformSocket``. Ends after `closed`.
    struct Events: AsyncSequence, Sendable {
        fileprivate let base: WebSocketConnection.Events

        struct AsyncIterator: AsyncIteratorProtocol {
            fileprivate var base: WebSocketConnection.Events.AsyncIterator

            /// - Throws: ``PlatformFailure/unavailable(_:)`` when the connection ends without a goodbye; `CancellationError`.
            mutating func next() async throws -> WebSocketEvent? {
                do {
                    let event = try await base.next()
                    if event == nil { try Task.checkCancellation() }
                    return event
                } catch { throw try PlatformSocket.failure(error) }
            }
        }

        func makeAsyncIterator() -> AsyncIterator { AsyncIterator(base: base.makeAsyncIterator()) }
    }

    /// Puts what went wrong into our words; what is no fault of the connection stays what it is.
    ///
    /// - Throws: `CancellationError` when that is the reason.
    private static func failure(_ error: any Error) throws -> any Error {
        guard !(error is PlatformFailure) else { return error }
        switch error {
        case let error as GatewayClientError:
            try Task.checkCancellation()
            return switch error {
            case .timedOut(let limit): PlatformFailure.unavailable("it did not answer within \(limit)")
            case .endedEarly: PlatformFailure.unavailable("it cut the connection")
            case .upgradeRefused(let status, _):
                PlatformFailure.unavailable("it refused the WebSocket with status \(status)")
            case .protocolViolation: PlatformFailure.unavailable("it broke the WebSocket protocol")
            // The text is the TLS library's.
            case .streamFailed(let text) where text.contains("CERTIFICATE_VERIFY_FAILED"):
                PlatformFailure.unavailable("the connection to it failed: its certificate is not one to trust")
            case .streamFailed, .bodyTooLarge: PlatformFailure.unavailable("the connection to it failed")
            }
        case is ChannelError, is IOError, is NIOSSLError, is BoringSSLError, is NIOAsyncWriterError:
            try Task.checkCancellation()
            return PlatformFailure.unavailable("the connection to it failed")
        default: return error
        }
    }
}

/// Where a WebSocket is.
struct SocketAddressee: Sendable, Equatable {
    var host: String
    var port: Int
    var isSecure: Bool
    /// As `Host` names it.
    var authority: String
    /// Origin form with query.
    var path: String

    /// - Throws: ``PlatformFailure/unavailable(_:)``: such addresses come from the platform.
    init(_ url: String) throws(PlatformFailure) {
        guard let parts = URLComponents(string: url), let scheme = parts.scheme?.lowercased(),
            scheme == "wss" || scheme == "ws", var host = parts.host, !host.isEmpty, parts.user == nil
        else { throw .unavailable("it gave a WebSocket address that is none") }
        isSecure = scheme == "wss"
        let standard = isSecure ? 443 : 80
        port = parts.port ?? standard
        guard (1...65_535).contains(port) else { throw .unavailable("it gave a WebSocket address that is none") }
        authority = port == standard ? host : "\(host):\(port)"
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        self.host = host
        path = parts.percentEncodedPath.isEmpty ? "/" : parts.percentEncodedPath
        if let query = parts.percentEncodedQuery { path += "?\(query)" }
    }
}

/// Opens a connection to a platform.
private struct PlatformDialer: GatewayDialer {
    let address: SocketAddressee
    let roots: String?

    func openStream<R: Sendable>(
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<R>
    ) async throws -> R {
        var tls: NIOSSLContext?
        if address.isSecure {
            var configuration = TLSConfiguration.makeClientConfiguration()
            if let roots { configuration.trustRoots = .file(roots) }
            tls = try NIOSSLContext(configuration: configuration)
        }
        let (context, host) = (tls, address.host)
        do {
            return try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connectTimeout(.seconds(10))
                .connect(host: host, port: address.port) { channel in
                    do {
                        if let context {
                            // An address of numbers has no name to ask for; the certificate must name it all the same.
                            let isNumeric = (try? SocketAddress(ipAddress: host, port: 0)) != nil
                            try channel.pipeline.syncOperations.addHandler(
                                NIOSSLClientHandler(context: context, serverHostname: isNumeric ? nil : host))
                        }
                        return initializer(channel)
                    } catch { return channel.eventLoop.makeFailedFuture(error) }
                }
        } catch let error as CancellationError {
            throw error
        } catch {
            try Task.checkCancellation()
            throw PlatformFailure.unavailable(Connecting.reason(error))
        }
    }
}
