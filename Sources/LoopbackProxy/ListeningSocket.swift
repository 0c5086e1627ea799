internal import Glibc
internal import NIOCore
internal import NIOPosix

// Where are connections accepted? A loopback TCP port or a socket file that only its owner can open. Anything else is
// refused before it is bound.

/// A bound socket. What it accepts is handed to ``AcceptedConnections`` on the event loop.
struct ListeningSocket {
    let channel: any Channel
    let address: ProxyAddress

    /// Bytes that the kernel holds for one client: they arrive at once when the client closes, whoever is slow behind us.
    private static let receiveBuffer: Int = 512 << 10

    static func bind(
        _ listener: ProxyListener, group: any EventLoopGroup,
        rules: @escaping @Sendable (AccessRules.Listener) -> AccessRules, connections: AcceptedConnections
    ) async throws -> ListeningSocket {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.socketOption(.so_rcvbuf), value: receiveBuffer)
        switch listener {
        case .tcp(let host, let port):
            return try await bind(bootstrap, host: host, port: port, rules: rules, connections: connections)
        case .unix(let path):
            return try await bind(bootstrap, path: path, rules: rules(.unix), connections: connections)
        }
    }

    /// Removes a socket file that is still there.
    func removeFile() {
        if case .unix(let path) = address { unlink(path) }
    }

    // MARK: TCP

    private static func bind(
        _ bootstrap: ServerBootstrap, host: String, port: Int,
        rules: @escaping @Sendable (AccessRules.Listener) -> AccessRules, connections: AcceptedConnections
    ) async throws -> ListeningSocket {
        // No names: what 'localhost' resolves to is up to a file.
        guard host == "127.0.0.1" || host == "::1" else { throw ProxyError.notLoopback(host) }
        let address = try SocketAddress(ipAddress: host, port: port)
        do {
            let channel = try await bootstrap.childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    // The port is known only after binding.
                    let rules = rules(.tcp(port: channel.localAddress?.port ?? 0))
                    try channel.syncOptions?.setOption(.socketOption(.tcp_nodelay), value: 1)
                    try connections.add(channel, rules: rules)
                }
            }
            .bind(to: address).get()
            return ListeningSocket(
                channel: channel, address: .tcp(host: host, port: channel.localAddress?.port ?? port))
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            throw ProxyError.portInUse(port)
        } catch {
            throw ProxyError.cannotListen(on: address.description, why: "\(error)")
        }
    }

    // MARK: Unix

    private static func bind(
        _ bootstrap: ServerBootstrap, path: String, rules: AccessRules, connections: AcceptedConnections
    ) async throws -> ListeningSocket {
        guard path.utf8.count <= 107 else { throw ProxyError.socketPathTooLong(path: path) }
        try await removeStaleSocket(at: path)
        // The file must never be open to others, not even between bind and chmod: so it is born inside of a private
        // directory and moved into its place.
        let nursery = try makeNursery(beside: path)
        defer { rmdir(nursery) }
        let born = nursery + "/s"
        do {
            let channel = try await bootstrap.childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try connections.add(channel, rules: rules) }
            }
            .bind(unixDomainSocketPath: born).get()
            guard chmod(born, 0o600) == 0, rename(born, path) == 0 else {
                let why = String(cString: strerror(errno))
                unlink(born)
                try? await channel.close()
                throw ProxyError.cannotListen(on: path, why: why)
            }
            return ListeningSocket(channel: channel, address: .unix(path: path))
        } catch let error as ProxyError {
            throw error
        } catch {
            throw ProxyError.cannotListen(on: path, why: "\(error)")
        }
    }

    /// A private directory beside `path`. Its name is short: socket paths are.
    private static func makeNursery(beside path: String) throws -> String {
        let parent = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "./"
        var template = Array("\(parent).XXXXXX\0".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw ProxyError.cannotListen(on: path, why: String(cString: strerror(errno)))
        }
        return String(decoding: template.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// A socket that nobody listens on is left over from a process that died.
    private static func removeStaleSocket(at path: String) async throws {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw ProxyError.notASocket(path: path) }
        let probe = ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        if let channel = try? await probe.connect(unixDomainSocketPath: path).get() {
            try? await channel.close()
            throw ProxyError.socketInUse(path: path)
        }
        unlink(path)
    }
}
