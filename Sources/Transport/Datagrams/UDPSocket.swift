internal import Glibc
internal import NIOCore
internal import NIOPosix

// How do packets reach the network? One UDP socket per address family. NIO watches it and reads it (many packets a
// call, joined by the kernel); sending is one `sendmsg` straight from the batch buffer, because NIO's way costs a
// buffer and a promise for each packet and cannot choose the address that a packet leaves from.

/// A bound UDP socket. Confined to its event loop.
final class UDPSocket: DatagramCarrier {
    /// As bound: the real port, and the wildcard address where one was asked for.
    let address: NetworkAddress
    private let descriptor: Int32
    private var segmentationWorks = true
    private var owner = Owner.none

    /// Who closes the descriptor.
    private enum Owner {
        case none
        case starting
        case channel(any Channel)
        case closed
    }

    /// Opens and binds. Nothing is read before ``start(on:handler:)``.
    ///
    /// - Throws: ``SocketError`` with what the system said.
    init(bind address: NetworkAddress) throws {
        let domain = address.family == .ipv4 ? AF_INET : AF_INET6
        let kind = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        descriptor = socket(domain, kind, 0)
        guard descriptor >= 0 else { throw SocketError(operation: "open a socket for", address: address, code: errno) }
        do {
            self.address = try Self.bind(descriptor, to: address)
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    private static func bind(_ descriptor: Int32, to address: NetworkAddress) throws -> NetworkAddress {
        func option(_ level: Int32, _ name: Int32, _ value: Int32) -> Bool {
            var value = value
            return setsockopt(descriptor, level, name, &value, 4) == 0
        }
        switch address.family {
        case .ipv4:
            // Path MTU discovery is QUIC's own work (RFC 9000 §14): never fragment, ignore the kernel's cached guess.
            _ = option(Int32(IPPROTO_IP), Int32(IP_MTU_DISCOVER), Int32(IP_PMTUDISC_PROBE))
        case .ipv6:
            _ = option(Int32(IPPROTO_IPV6), Int32(IPV6_V6ONLY), 1)
            _ = option(Int32(IPPROTO_IPV6), Int32(IPV6_MTU_DISCOVER), Int32(IPV6_PMTUDISC_PROBE))
        }
        // The system clamps these to its limits; what it grants is enough to work with.
        _ = option(SOL_SOCKET, Int32(SO_RCVBUF), 4 << 20)
        _ = option(SOL_SOCKET, Int32(SO_SNDBUF), 4 << 20)
        guard address.withSockaddr({ Glibc.bind(descriptor, $0, $1) }) == 0 else {
            throw SocketError(operation: "bind", address: address, code: errno)
        }
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let bound = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { sockaddr in
                getsockname(descriptor, sockaddr, &length) == 0 ? NetworkAddress(sockaddr) : nil
            }
        }
        guard let bound else { throw SocketError(operation: "read the address of", address: address, code: errno) }
        return bound
    }

    /// Starts reading into `handler`. The socket belongs to NIO from here on and is closed by ``close()``.
    func start(on eventLoop: any EventLoop, handler: some ChannelInboundHandler) -> EventLoopFuture<Void> {
        let handler = NIOLoopBound(handler, eventLoop: eventLoop)
        owner = .starting
        return DatagramBootstrap(group: eventLoop)
            .channelOption(.autoRead, value: false)
            .channelOption(.datagramVectorReadMessageCount, value: 4)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 4 * 65_536))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(handler.value)
                }
            }
            .withBoundSocket(descriptor)
            .assumeIsolated()
            .flatMapThrowing { [self] channel in
                guard case .starting = owner else {
                    channel.close(promise: nil)
                    throw ChannelError.alreadyClosed
                }
                owner = .channel(channel)
                let options = channel.syncOptions
                try options?.setOption(.explicitCongestionNotification, value: true)
                try options?.setOption(.receivePacketInfo, value: true)
                if System.supportsUDPReceiveOffload {
                    try options?.setOption(.datagramReceiveOffload, value: true)
                    try options?.setOption(.datagramReceiveSegmentSize, value: true)
                }
                try options?.setOption(.autoRead, value: true)
            }
            .nonisolated()
    }

    /// Closes the socket, by way of NIO once ``start(on:handler:)`` has handed it over. Idempotent.
    func close() {
        switch owner {
        case .none: Glibc.close(descriptor)
        case .channel(let channel): channel.close(promise: nil)
        case .starting, .closed: break
        }
        owner = .closed
    }

    // MARK: DatagramCarrier

    func carries(_ path: DatagramPath) -> Bool {
        guard path.local.family == address.family, path.local.port == address.port else { return false }
        return address.isWildcard || path.local == address
    }

    func send(_ bytes: UnsafeRawBufferPointer, segmentSize: Int?, path: DatagramPath, ecn: UInt32) -> SendOutcome {
        guard case .channel = owner else { return .lost(errno: EBADF) }
        guard let segmentSize, !segmentationWorks else {
            let outcome = sendOnce(bytes, segmentSize: segmentSize, path: path, ecn: ecn)
            // A device without checksum offload refuses segmentation (udp(7)): cut by hand from now on.
            if segmentSize != nil, case .lost(let code) = outcome, code == EIO || code == EINVAL {
                segmentationWorks = false
                return send(bytes, segmentSize: segmentSize, path: path, ecn: ecn)
            }
            return outcome
        }
        var rest = bytes[...]
        var outcome = SendOutcome.sent
        while !rest.isEmpty {
            outcome = sendOnce(
                UnsafeRawBufferPointer(rebasing: rest.prefix(segmentSize)), segmentSize: nil, path: path, ecn: ecn)
            rest = rest.dropFirst(segmentSize)
        }
        return outcome
    }

    private func sendOnce(
        _ bytes: UnsafeRawBufferPointer, segmentSize: Int?, path: DatagramPath, ecn: UInt32
    ) -> SendOutcome {
        var control = ControlMessages()
        if ecn != 0 { control.append(ecn: ecn, family: path.remote.family) }
        if address.isWildcard && !path.local.isWildcard {
            control.append(source: path.local, interface: path.remote.scope)
        }
        if let segmentSize { control.append(segmentSize: UInt16(segmentSize)) }
        return control.withBytes { controlBytes, controlCount in
            path.remote.withSockaddr { name, nameLength in
                var vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
                return withUnsafeMutablePointer(to: &vector) { vector in
                    var message = msghdr()
                    message.msg_name = UnsafeMutableRawPointer(mutating: name)
                    message.msg_namelen = nameLength
                    message.msg_iov = vector
                    message.msg_iovlen = 1
                    message.msg_control = controlBytes
                    message.msg_controllen = controlCount
                    while sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL)) < 0 {
                        switch errno {
                        case EINTR: continue
                        case EAGAIN, ENOBUFS: return .wouldBlock
                        default: return .lost(errno: errno)
                        }
                    }
                    return .sent
                }
            }
        }
    }
}

/// What the system said when a socket could not be opened.
struct SocketError: Error, CustomStringConvertible {
    let operation: String
    let address: NetworkAddress
    let code: Int32

    /// Whether this host lacks the address's family.
    var isMissingFamily: Bool { code == EAFNOSUPPORT || code == EADDRNOTAVAIL }

    var description: String { "cannot \(operation) UDP \(address): \(String(cString: strerror(code)))" }
}
