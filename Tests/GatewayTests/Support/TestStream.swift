import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

// The client's side of one stream, over TCP on 127.0.0.1: raw bytes, so that tests can say what no client would.

struct Timeout: Error, CustomStringConvertible {
    let what: String
    var description: String { "timed out waiting for \(what)" }
}

/// Fails instead of hanging.
func within<T: Sendable>(
    _ seconds: Double, _ what: String, _ body: @escaping @Sendable () async throws -> T
) async throws -> T {
    try await withThrowingTaskGroup(of: T.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: .seconds(seconds))
            throw Timeout(what: what)
        }
        defer { group.cancelAll() }
        guard let first = try await group.next() else { throw Timeout(what: what) }
        return first
    }
}

/// What has arrived and was not read yet. One reader.
final class ByteQueue: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private struct State {
        var bytes = ByteBuffer()
        var ended = false
        /// Changes so far, so that none is missed between looking and waiting.
        var changes = 0
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        change { $0.bytes.writeImmutableBuffer(bytes) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(.inputClosed) = event as? ChannelEvent { change { $0.ended = true } }
    }

    func channelInactive(context: ChannelHandlerContext) { change { $0.ended = true } }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { change { $0.ended = true } }

    private func change(_ body: (inout State) -> Void) {
        let waiter = state.withLock { state in
            body(&state)
            state.changes += 1
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// Gives everything that is buffered to `parse`, again whenever more arrives, until it makes something of it.
    func read<T: Sendable>(_ parse: (inout ByteBuffer) throws -> T?) async throws -> T? {
        while true {
            let (result, ended, seen) = try state.withLock { state in
                (try parse(&state.bytes), state.ended, state.changes)
            }
            if let result { return result }
            if ended { return nil }
            try Task.checkCancellation()
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let isReady = state.withLock { state in
                        if state.changes != seen || Task.isCancelled { return true }
                        state.waiter = continuation
                        return false
                    }
                    if isReady { continuation.resume() }
                }
            } onCancel: {
                change { _ in }
            }
        }
    }
}

struct TestResponse: Sendable {
    var status: Int
    var headers: [String: String]
    var body: String

    var json: [String: Any] {
        (try? JSONSerialization.jsonObject(with: Data(body.utf8))) as? [String: Any] ?? [:]
    }
}

final class TestStream: Sendable {
    let channel: any Channel
    let queue: ByteQueue

    private init(channel: any Channel, queue: ByteQueue) {
        self.channel = channel
        self.queue = queue
    }

    static func connect(port: Int, receiveBuffer: Int? = nil) async throws -> TestStream {
        let queue = ByteQueue()
        var bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(queue) }
            }
        if let receiveBuffer {
            bootstrap = bootstrap.channelOption(
                .socketOption(.so_rcvbuf), value: ChannelOptions.Types.SocketOption.Value(receiveBuffer))
        }
        let channel = try await bootstrap.connect(host: "127.0.0.1", port: port).get()
        return TestStream(channel: channel, queue: queue)
    }

    /// A stream of another transport; `start` runs the initializer on its channel.
    static func open(
        _ start: (@escaping @Sendable (any Channel) -> EventLoopFuture<any Channel>) async throws -> any Channel
    ) async throws -> TestStream {
        let queue = ByteQueue()
        let channel = try await start { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
                try channel.pipeline.syncOperations.addHandler(queue)
                return channel
            }
        }
        return TestStream(channel: channel, queue: queue)
    }

    func send(_ bytes: [UInt8]) async throws {
        try await channel.writeAndFlush(ByteBuffer(bytes: bytes))
    }

    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    func sendPreamble(_ certificate: [UInt8]) async throws {
        let count = UInt32(certificate.count)
        try await send(
            [UInt8(count >> 24), UInt8(count >> 16 & 255), UInt8(count >> 8 & 255), UInt8(count & 255)] + certificate)
    }

    func close() async { try? await channel.close() }

    /// Takes what comes until it holds `text`.
    func read(through text: String) async throws {
        let isThere: Bool? = try await within(30, text) { [queue] in
            try await queue.read { bytes -> Bool? in
                let all = String(buffer: bytes)
                guard let found = all.range(of: text) else { return nil }
                bytes.moveReaderIndex(forwardBy: all[..<found.upperBound].utf8.count)
                return true
            }
        }
        if isThere == nil { throw Timeout(what: text) }
    }

    /// Nil when the stream ended first.
    func response(hasBody: Bool = true) async throws -> TestResponse? {
        try await within(30, "an HTTP response") { [queue] in
            try await queue.read { bytes -> TestResponse? in
                let text = String(buffer: bytes)
                guard let end = text.range(of: "\r\n\r\n") else { return nil }
                let lines = text[..<end.lowerBound].components(separatedBy: "\r\n")
                var headers: [String: String] = [:]
                for line in lines.dropFirst() {
                    let parts = line.split(separator: ":", maxSplits: 1)
                    if parts.count == 2 {
                        headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
                    }
                }
                let status = lines[0].split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
                let length = hasBody && status != 101 ? Int(headers["content-length"] ?? "0") ?? 0 : 0
                let head = text[..<end.upperBound].utf8.count
                guard bytes.readableBytes >= head + length else { return nil }
                bytes.moveReaderIndex(forwardBy: head)
                let body = bytes.readString(length: length) ?? ""
                return TestResponse(status: status, headers: headers, body: body)
            }
        }
    }

    /// Whether the server ended the stream without another byte.
    func endsSilently(within seconds: Double = 30) async throws -> Bool {
        try await within(seconds, "the end of the stream") { [queue] in
            try await queue.read { bytes -> Bool? in bytes.readableBytes > 0 ? true : nil } == nil
        }
    }
}
