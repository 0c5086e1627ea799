internal import Glibc
internal import NIOCore

// What is an address on the hot path? NIO's `SocketAddress` owns heap memory and costs reference counts; this is the
// same fact as plain bytes, so that it can be compared and hashed once a packet. It does not know sockets or names.

/// An IP address and UDP port as a plain value.
struct NetworkAddress: Hashable, Sendable {
    enum Family: UInt8, Sendable {
        case ipv4, ipv6
    }

    let family: Family
    /// The address's bytes as they lie in memory. IPv4 uses the first four bytes of ``low``.
    let low: UInt64
    let high: UInt64
    /// The interface of a link-local IPv6 address, else 0.
    let scope: UInt32
    /// In host order.
    var port: UInt16

    /// Reads an AF_INET or AF_INET6 address; nil for any other family.
    init?(_ pointer: UnsafePointer<sockaddr>) {
        switch Int32(pointer.pointee.sa_family) {
        case AF_INET:
            self = UnsafeRawPointer(pointer).loadUnaligned(as: sockaddr_in.self).networkAddress
        case AF_INET6:
            self = UnsafeRawPointer(pointer).loadUnaligned(as: sockaddr_in6.self).networkAddress
        default:
            return nil
        }
    }

    /// Nil for a Unix socket's address.
    init?(_ address: SocketAddress) {
        switch address {
        case .v4(let ipv4): self = ipv4.address.networkAddress
        case .v6(let ipv6): self = ipv6.address.networkAddress
        case .unixDomainSocket: return nil
        }
    }

    fileprivate init(family: Family, low: UInt64, high: UInt64, scope: UInt32, port: UInt16) {
        self.family = family
        self.low = low
        self.high = high
        self.scope = scope
        self.port = port
    }

    /// Whether this is `0.0.0.0` or `::`.
    var isWildcard: Bool { low == 0 && high == 0 }

    /// Whether this is in 127.0.0.0/8, or `::1`.
    var isLoopback: Bool {
        switch family {
        case .ipv4: low & 0xff == 127
        case .ipv6: low == 0 && high == UInt64(1).bigEndian
        }
    }

    func with(port: UInt16) -> NetworkAddress {
        NetworkAddress(family: family, low: low, high: high, scope: scope, port: port)
    }

    /// The same address on whatever interface.
    var withoutScope: NetworkAddress {
        NetworkAddress(family: family, low: low, high: high, scope: 0, port: port)
    }

    var ipv4: sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(truncatingIfNeeded: low)
        return address
    }

    var ipv6: sockaddr_in6 {
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        address.sin6_scope_id = scope
        withUnsafeMutableBytes(of: &address.sin6_addr) { bytes in
            bytes.storeBytes(of: low, as: UInt64.self)
            bytes.storeBytes(of: high, toByteOffset: 8, as: UInt64.self)
        }
        return address
    }

    /// Lends the address in the form that system calls take.
    func withSockaddr<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) throws -> R) rethrows -> R {
        switch family {
        case .ipv4:
            try withUnsafeBytes(of: ipv4) { bytes in
                try body(bytes.assumingMemoryBound(to: sockaddr.self).baseAddress.unsafelyUnwrapped, 16)
            }
        case .ipv6:
            try withUnsafeBytes(of: ipv6) { bytes in
                try body(bytes.assumingMemoryBound(to: sockaddr.self).baseAddress.unsafelyUnwrapped, 28)
            }
        }
    }

    /// The same address for the public face.
    var socketAddress: SocketAddress {
        switch family {
        case .ipv4: SocketAddress(ipv4)
        case .ipv6: SocketAddress(ipv6)
        }
    }
}

extension NetworkAddress: CustomStringConvertible {
    var description: String { socketAddress.hostAndPort }
}

extension sockaddr_in {
    fileprivate var networkAddress: NetworkAddress {
        NetworkAddress(
            family: .ipv4, low: UInt64(sin_addr.s_addr), high: 0, scope: 0, port: UInt16(bigEndian: sin_port))
    }
}

extension sockaddr_in6 {
    fileprivate var networkAddress: NetworkAddress {
        let (low, high) = withUnsafeBytes(of: sin6_addr) { bytes in
            (bytes.loadUnaligned(as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        return NetworkAddress(
            family: .ipv6, low: low, high: high, scope: sin6_scope_id, port: UInt16(bigEndian: sin6_port))
    }
}

/// Where a packet went or came from, seen from this node.
struct DatagramPath: Hashable, Sendable, CustomStringConvertible {
    var local: NetworkAddress
    var remote: NetworkAddress

    var description: String { "\(local) → \(remote)" }
}
