internal import Glibc

// Which machine is meant by an address, and may somebody whom we don't know send us there? The internet's public unicast addresses only:
// everything else is this machine, the network around it, a group, or a way to write one of these in another form.

/// An address of IPv4 or IPv6.
public struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// 4 or 16, in network order.
    public let bytes: [UInt8]

    /// Reads the usual text only: four decimal numbers without leading zeros, or IPv6 without brackets and zone.
    public init?(_ text: String) {
        // A text of C ends at its first zero byte.
        guard !text.utf8.contains(0) else { return nil }
        var four = in_addr()
        var sixteen = in6_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            bytes = withUnsafeBytes(of: four) { Array($0) }
        } else if inet_pton(AF_INET6, text, &sixteen) == 1 {
            bytes = withUnsafeBytes(of: sixteen) { Array($0) }
        } else {
            return nil
        }
    }

    init(_ four: in_addr) { bytes = withUnsafeBytes(of: four) { Array($0) } }

    init(_ sixteen: in6_addr) { bytes = withUnsafeBytes(of: sixteen) { Array($0) } }

    public var isIPv6: Bool { bytes.count == 16 }

    public var description: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let isWritten = bytes.withUnsafeBytes {
            inet_ntop(isIPv6 ? AF_INET6 : AF_INET, $0.baseAddress, &text, socklen_t(text.count)) != nil
        }
        return isWritten ? String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self) : "?"
    }

    /// Whether it belongs to one machine on the internet. What IANA's registries of special addresses don't call globally
    /// reachable does not; neither do forms that hold another address (IPv4-mapped, NAT64, 6to4, Teredo).
    public var isPublic: Bool {
        if isIPv6 {
            return Self.contains(Self.unicast, bytes) && !Self.special6.contains { Self.contains($0, bytes) }
        }
        return !Self.special4.contains { Self.contains($0, bytes) }
    }

    // MARK: Tables

    private typealias Block = (start: [UInt8], length: Int)

    private static func contains(_ block: Block, _ bytes: [UInt8]) -> Bool {
        for bit in 0..<block.length {
            let mask = UInt8(0x80) >> UInt8(bit % 8)
            let start = bit / 8 < block.start.count ? block.start[bit / 8] : 0
            if start & mask != bytes[bit / 8] & mask { return false }
        }
        return true
    }

    private static let special4: [Block] = [
        ([0], 8),  // this network
        ([10], 8),  // private
        ([100, 64], 10),  // carriers' NAT, and the metadata of one cloud
        ([127], 8),  // this machine
        ([168, 63, 129, 16], 32),  // the host of one cloud
        ([169, 254], 16),  // this link, and the metadata of most clouds
        ([172, 16], 12),  // private
        ([192, 0, 0], 24),  // protocols
        ([192, 0, 2], 24),  // documentation
        ([192, 88, 99], 24),  // relays of 6to4
        ([192, 168], 16),  // private
        ([198, 18], 15),  // benchmarks
        ([198, 51, 100], 24),  // documentation
        ([203, 0, 113], 24),  // documentation
        ([224], 4),  // multicast
        ([240], 4),  // reserved, and broadcast
    ]

    /// Outside are this machine, this link, private networks, multicast, and IPv4 in IPv6.
    private static let unicast: Block = ([0x20], 3)

    private static let special6: [Block] = [
        ([0x20, 0x01, 0x00], 23),  // protocols, Teredo and ORCHID among them
        ([0x20, 0x01, 0x0D, 0xB8], 32),  // documentation
        ([0x20, 0x02], 16),  // 6to4
        ([0x3F, 0xFF, 0x00], 20),  // documentation
    ]
}
