internal import Glibc
internal import NIOCore

// Which addresses does this machine have, and which of them would it use towards a peer? Asked of the kernel each time:
// networks come and go.

enum LocalAddresses {
    /// The address that packets to `remote` would leave from, with port 0 and without an interface, as arriving packets
    /// will name it; nil when there is no route. Nothing is sent.
    static func source(towards remote: NetworkAddress) -> NetworkAddress? {
        let domain = remote.family == .ipv4 ? AF_INET : AF_INET6
        let probe = socket(domain, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard probe >= 0 else { return nil }
        defer { close(probe) }
        guard remote.withSockaddr({ connect(probe, $0, $1) }) == 0 else { return nil }
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { sockaddr in
                getsockname(probe, sockaddr, &length) == 0 ? NetworkAddress(sockaddr)?.with(port: 0).withoutScope : nil
            }
        }
    }

    /// Addresses at which a socket bound to `bound` can be reached: itself, or every interface's address of its family
    /// with its port. Link-local addresses are left out (they mean nothing on another host).
    static func reachable(of bound: NetworkAddress) -> [NetworkAddress] {
        guard bound.isWildcard else { return [bound] }
        let devices = (try? System.enumerateDevices()) ?? []
        return devices.compactMap { device in
            guard let address = device.address.flatMap(NetworkAddress.init), address.family == bound.family,
                address.scope == 0, !address.isLinkLocal
            else { return nil }
            return address.with(port: bound.port)
        }
    }
}

extension NetworkAddress {
    /// 169.254.0.0/16 or fe80::/10.
    fileprivate var isLinkLocal: Bool {
        switch family {
        case .ipv4: low & 0xffff == 0xfea9
        case .ipv6: low & 0xc0ff == 0x80fe
        }
    }
}
