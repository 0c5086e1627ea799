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
    /// Reads `1.2.3.4:5` or `[::1]:5`. Names of hosts and interfaces are not looked up.
    ///
    /// - Throws: when the text has another form.
    public init(hostAndPort text: String) throws {
        let bytes = text.utf8
        guard let colon = bytes.lastIndex(of: UInt8(ascii: ":")) else { throw SocketAddressError.unsupported }
        let port = bytes[bytes.index(after: colon)...]
        var host = bytes[..<colon]
        let isIPv6 = host.first == UInt8(ascii: "[") && host.last == UInt8(ascii: "]")
        if isIPv6 { host = host.dropFirst().dropLast() }
        // The system's parser stops at a zero byte and looks interfaces up: it gets nothing but digits and separators.
        guard port.allSatisfy(Self.isDigit), let number = UInt16(Substring(port)),
            host.allSatisfy(isIPv6 ? Self.isInIPv6 : Self.isInIPv4)
        else { throw SocketAddressError.unsupported }
        try self.init(ipAddress: String(Substring(host)), port: Int(number))
        guard (self.protocol == .inet6) == isIPv6 else { throw SocketAddressError.unsupported }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func isInIPv4(_ byte: UInt8) -> Bool { isDigit(byte) || byte == UInt8(ascii: ".") }

    private static func isInIPv6(_ byte: UInt8) -> Bool {
        isInIPv4(byte) || byte == UInt8(ascii: ":") || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
    }

    /// `1.2.3.4:5` or `[::1]:5`: the form that tickets carry.
    public var hostAndPort: String {
        let host = ipAddress ?? "?"
        return host.contains(":") ? "[\(host)]:\(port ?? 0)" : "\(host):\(port ?? 0)"
    }
}
