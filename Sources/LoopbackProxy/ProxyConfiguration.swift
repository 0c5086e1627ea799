// Where does the proxy listen, whom does it let in, how long does it wait? Choices of the user, checked here.

/// Where a proxy listens. Never beyond this machine.
public enum ProxyListener: Sendable, Equatable {
    /// A TCP port on a loopback address; 0 lets the system choose.
    case tcp(host: String = "127.0.0.1", port: Int = 0)
    /// A socket file, mode 0600.
    case unix(path: String)
}

/// A proxy's choices.
public struct ProxyConfiguration: Sendable {
    public var listener: ProxyListener
    /// The secret that local clients have to show; nil lets every local program in.
    public var token: ProxyToken?
    /// Clients served at once; one more gets 503.
    public var maximumConnections = 1024
    public var timeouts = ProxyTimeouts()

    public init(listener: ProxyListener = .tcp(), token: ProxyToken? = nil) {
        self.listener = listener
        self.token = token
    }
}

/// How long a proxy waits.
public struct ProxyTimeouts: Sendable {
    /// For a complete request head.
    public var head: Duration = .seconds(10)
    /// For the agent's answers to earlier requests, when a later one was refused.
    public var drain: Duration = .seconds(10)
    /// For the client to close, after an answer of the proxy's own.
    public var linger: Duration = .seconds(2)

    public init() {}
}

/// Where clients reach a running proxy.
public enum ProxyAddress: Sendable, Equatable, CustomStringConvertible {
    case tcp(host: String, port: Int)
    case unix(path: String)

    /// `http://127.0.0.1:PORT`, or the socket's path.
    public var description: String {
        switch self {
        case .tcp(let host, let port): "http://\(host.contains(":") ? "[\(host)]" : host):\(port)"
        case .unix(let path): path
        }
    }
}

/// Why a proxy does not listen.
public enum ProxyError: Error, Equatable, CustomStringConvertible {
    case notLoopback(String)
    case portInUse(Int)
    case socketInUse(path: String)
    case notASocket(path: String)
    case socketPathTooLong(path: String)
    case cannotListen(on: String, why: String)

    public var description: String {
        switch self {
        case .notLoopback(let host):
            "'\(host)' is not a loopback address: the proxy lets local programs act as this device, so it listens on "
                + "127.0.0.1 or ::1 only"
        case .portInUse(let port): "port \(port) is in use: choose another with --port, or 0 for any"
        case .socketInUse(let path): "another program listens on \(path): stop it, or choose another path"
        case .notASocket(let path): "\(path) exists and is not a socket: choose another path"
        case .socketPathTooLong(let path): "\(path) is too long for a socket: 107 bytes at most"
        case .cannotListen(let place, let why): "cannot listen on \(place): \(why)"
        }
    }
}
