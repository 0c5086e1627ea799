public import Logging
public import NIOCore
internal import NIOPosix

// What a caller decides about an endpoint before it is bound.

/// How to bind an ``Endpoint``.
public struct EndpointConfiguration: Sendable {
    /// This node's identity.
    public var secretKey: SecretKey
    /// Protocols that incoming connections may speak, best first. Empty: this endpoint only dials.
    public var alpns: [String]
    /// Where to listen; one socket each. Port 0 lets the system choose.
    public var bindAddresses: [SocketAddress]
    public var logger: Logger
    public var limits = TransportLimits()
    /// Whose connections are taken when there are nearly as many as ``TransportLimits/maxConnections``. Asked on the
    /// event loop, so it answers from memory. Nil: everybody is a stranger, and strangers may have all connections.
    public var isKnown: (@Sendable (NodeID) -> Bool)?
    /// The endpoint lives on one loop of this group.
    public var eventLoopGroup: any EventLoopGroup

    /// - Parameter bindAddresses: by default every address of this host, IPv4 and IPv6, on a free port each.
    public init(
        secretKey: SecretKey, alpns: [String] = [], bindAddresses: [SocketAddress] = Self.anyAddress(port: 0),
        logger: Logger
    ) {
        self.secretKey = secretKey
        self.alpns = alpns
        self.bindAddresses = bindAddresses
        self.logger = logger
        eventLoopGroup = .singletonMultiThreadedEventLoopGroup
    }

    /// `0.0.0.0` and `[::]` with one port.
    public static func anyAddress(port: Int) -> [SocketAddress] {
        ["0.0.0.0", "::"].compactMap { try? SocketAddress(ipAddress: $0, port: port) }
    }
}
