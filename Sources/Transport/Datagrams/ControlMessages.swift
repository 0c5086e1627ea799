internal import Glibc

// How does a packet say where it leaves from, how it is cut and how it is marked? By control messages beside the bytes
// (cmsg(3)). C builds them with macros that Swift does not see; this file lays them out by hand.

/// A small buffer of control messages for `sendmsg`.
struct ControlMessages {
    /// Room for one packet info, one ECN mark and one segment size, each with its header.
    private var storage:
        (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) =
            (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    private var used = 0

    private static let headerSize = 16
    private static let solUDP: Int32 = 17
    private static let udpSegment: Int32 = 103

    /// Marks the packet for explicit congestion notification (RFC 3168).
    mutating func append(ecn: UInt32, family: NetworkAddress.Family) {
        switch family {
        case .ipv4: append(level: Int32(IPPROTO_IP), type: Int32(IP_TOS), payload: Int32(bitPattern: ecn))
        case .ipv6: append(level: Int32(IPPROTO_IPV6), type: Int32(IPV6_TCLASS), payload: Int32(bitPattern: ecn))
        }
    }

    /// Lets the packet leave from `source`, over the interface with this index if it is not 0 (ip(7), ipv6(7)).
    mutating func append(source: NetworkAddress, interface: UInt32) {
        switch source.family {
        case .ipv4:
            var info = in_pktinfo()
            info.ipi_spec_dst = source.ipv4.sin_addr
            append(level: Int32(IPPROTO_IP), type: Int32(IP_PKTINFO), payload: info)
        case .ipv6:
            // struct in6_pktinfo (RFC 3542 §6.1), which Glibc's module does not show.
            let info = (source.ipv6.sin6_addr, interface)
            append(level: Int32(IPPROTO_IPV6), type: Int32(IPV6_PKTINFO), payload: info)
        }
    }

    /// Cuts the bytes into packets of `segmentSize` (udp(7)).
    mutating func append(segmentSize: UInt16) {
        append(level: Self.solUDP, type: Self.udpSegment, payload: segmentSize)
    }

    /// - Parameter payload: plain bytes, without references.
    private mutating func append<Payload>(level: Int32, type: Int32, payload: Payload) {
        let size = MemoryLayout<Payload>.size
        let at = used
        withUnsafeMutableBytes(of: &storage) { bytes in
            bytes.storeBytes(of: Self.headerSize + size, toByteOffset: at, as: Int.self)
            bytes.storeBytes(of: level, toByteOffset: at + 8, as: Int32.self)
            bytes.storeBytes(of: type, toByteOffset: at + 12, as: Int32.self)
            withUnsafeBytes(of: payload) { payload in
                UnsafeMutableRawBufferPointer(rebasing: bytes[(at + Self.headerSize)...]).copyMemory(from: payload)
            }
        }
        used += (Self.headerSize + size + 7) & ~7
    }

    /// Lends the messages in the form that `sendmsg` takes.
    mutating func withBytes<R>(_ body: (UnsafeMutableRawPointer?, Int) -> R) -> R {
        let used = used
        return withUnsafeMutableBytes(of: &storage) { body(used == 0 ? nil : $0.baseAddress, used) }
    }
}
