public import NIOCore

// How a node may be reached: its key, which is its identity, and hints, which are only hints.

/// A node id and where the node may be found. Hints may be stale or wrong; the handshake proves the key.
public struct NodeAddress: Hashable, Sendable, CustomStringConvertible {
    /// The node to reach.
    public var nodeID: NodeID
    /// UDP addresses to try, most likely first.
    public var addresses: [SocketAddress]
    /// A relay that may know the node. Carried for tickets; not dialled yet.
    public var relayURL: String?

    public init(nodeID: NodeID, addresses: [SocketAddress] = [], relayURL: String? = nil) {
        self.nodeID = nodeID
        self.addresses = addresses
        self.relayURL = relayURL
    }

    public var description: String {
        addresses.isEmpty ? nodeID.hex : "\(nodeID.hex) at \(addresses.map(\.hostAndPort).joined(separator: ", "))"
    }
}

extension SocketAddress {
    /// Reads `1.2.3.4:5` or `[::1]:5`. Names are not looked up.
    ///
    /// - Throws: when the text has another form.
    public init(hostAndPort text: String) throws {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            throw SocketAddressError.unsupported
        }
        var host = text[..<colon]
        if host.first == "[", host.last == "]" { host = host.dropFirst().dropLast() }
        try self.init(ipAddress: String(host), port: Int(port))
    }

    /// `1.2.3.4:5` or `[::1]:5`: the form that tickets carry.
    public var hostAndPort: String {
        let host = ipAddress ?? "?"
        return host.contains(":") ? "[\(host)]:\(port ?? 0)" : "\(host):\(port ?? 0)"
    }
}
