import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

// What tests measure: bytes that arrived, permissions of files.

/// A file's permission bits.
func mode(of path: String) throws -> Int {
    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as! Int
}

func withTemporaryDirectory(_ body: (String) async throws -> Void) async throws {
    let path = NSTemporaryDirectory() + "oa-\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    try await body(path)
}

/// Counts the bytes that a channel delivers.
final class Counter: Sendable {
    private let state = NIOLockedValueBox((count: 0, waiting: (Int, CheckedContinuation<Void, Never>)?.none))

    func add(_ count: Int) {
        state.withLockedValue { state in
            state.count += count
            guard let (target, continuation) = state.waiting, state.count >= target else { return }
            state.waiting = nil
            continuation.resume()
        }
    }

    func wait(for target: Int) async throws {
        await withCheckedContinuation { continuation in
            let isThere = state.withLockedValue { state in
                guard state.count < target else { return true }
                state.waiting = (target, continuation)
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    func handler() -> some ChannelInboundHandler & Sendable { CountingHandler(counter: self) }
}

private final class CountingHandler: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    let counter: Counter
    init(counter: Counter) { self.counter = counter }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) { counter.add(unwrapInboundIn(data).readableBytes) }
}

extension Channel {
    /// The next close is a reset.
    func resetOnClose() async throws {
        try await (self as! any SocketOptionProvider).setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
    }
}

/// A socket file without anybody behind it.
func leaveStaleSocket(at path: String) throws {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
    }
    close(descriptor)
    if result != 0 { throw POSIXError(.EIO) }
}
