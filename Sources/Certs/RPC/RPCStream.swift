internal import NIOCore
internal import Synchronization
internal import Transport

// How does one call travel over one stream? A frame each way with a deadline over the whole; a watch is answered with
// frames for as long as it lasts, and each one has the deadline. Works on any NIO channel of bytes; it knows neither
// methods nor rules.

/// A call did not end in time.
struct DeadlineExceeded: Error {}

/// What the coordinator answers.
enum RPCReply: Sendable {
    case message([UInt8])
    /// A message that says no, and its code.
    case refusal([UInt8], RPCErrorCode)
    /// Frames until the body returns; when it throws, the stream is reset.
    case frames(@Sendable (RPCFrameWriter) async throws -> Void)
}

/// Sends the frames of a long answer.
struct RPCFrameWriter: Sendable {
    fileprivate let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    /// For each frame: a reader that takes longer is cut off.
    fileprivate let deadline: Duration

    /// Returns when the channel has taken the frame; waits while too much is unsent.
    func write(_ message: [UInt8]) async throws {
        let frame = ByteBuffer(bytes: RPCFrame.encode(message))
        try await withDeadline(deadline) { try await outbound.write(frame) }
    }
}

/// The two ends of one call.
enum RPCStream {
    typealias Channel = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    /// Makes `channel` ready for one of the functions below; to be called on its event loop.
    static func prepare(_ channel: any NIOCore.Channel) -> EventLoopFuture<Channel> {
        channel.setOption(.allowRemoteHalfClosure, value: true).flatMapThrowing {
            try Channel(
                wrappingChannelSynchronously: channel,
                configuration: .init(isOutboundHalfClosureEnabled: true))
        }
    }

    /// The coordinator's end: reads a request, answers it, closes. A caller that is too slow is cut off.
    ///
    /// - Parameter deadline: from the first byte awaited to the last one written; of a long answer, for each frame.
    static func serve(
        _ channel: Channel, deadline: Duration, answer: @escaping @Sendable ([UInt8]) async -> RPCReply
    ) async throws {
        try await channel.executeThenClose { inbound, outbound in
            let frames = try await withDeadline(deadline) {
                let reply =
                    switch try await message(from: inbound, limit: RPCFrame.requestLimit) {
                    case .success(let request): await answer(request)
                    case .failure(.tooLarge): refusal(.tooLarge, "a request has at most \(RPCFrame.requestLimit) bytes")
                    case .failure(.endOfStream): refusal(.endOfStream, "the request is incomplete")
                    }
                switch reply {
                case .message(let message), .refusal(let message, _):
                    try await outbound.write(ByteBuffer(bytes: RPCFrame.encode(message)))
                    return nil as (@Sendable (RPCFrameWriter) async throws -> Void)?
                case .frames(let body): return body
                }
            }
            guard let frames else { return }
            do {
                try await frames(RPCFrameWriter(outbound: outbound, deadline: deadline))
            } catch {
                // Nothing of what is still unsent is worth keeping.
                channel.channel.triggerUserOutboundEvent(StreamReset(code: 0), promise: nil)
                throw error
            }
        }
    }

    /// The caller's end: sends a request and reads the answer.
    static func call(_ channel: Channel, request: [UInt8], deadline: Duration) async throws -> [UInt8] {
        try await withDeadline(deadline) {
            try await channel.executeThenClose { inbound, outbound in
                try await outbound.write(ByteBuffer(bytes: RPCFrame.encode(request)))
                outbound.finish()
                return try await message(from: inbound, limit: RPCFrame.responseLimit).get()
            }
        }
    }

    /// The watcher's end: sends a request and hands on every frame of the answer until the stream ends.
    ///
    /// - Parameter silence: without a frame for so long the stream is given up.
    /// - Throws: ``DeadlineExceeded``, ``RPCFrameReader/Failure``, or what `onMessage` throws.
    static func watch(
        _ channel: Channel, request: [UInt8], silence: Duration,
        onMessage: @escaping @Sendable ([UInt8]) throws -> Void
    ) async throws {
        let heard = LastSign()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await channel.executeThenClose { inbound, outbound in
                    try await outbound.write(ByteBuffer(bytes: RPCFrame.encode(request)))
                    outbound.finish()
                    var frames = RPCFrameSequence(limit: RPCFrame.responseLimit)
                    for try await bytes in inbound {
                        for message in try frames.consume(bytes.readableBytesView) {
                            heard.note()
                            try onMessage(message)
                        }
                    }
                }
            }
            group.addTask {
                while true {
                    let end = heard.at + silence
                    guard end > .now else { throw DeadlineExceeded() }
                    try await Task.sleep(until: end, clock: .continuous)
                }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private static func message(
        from inbound: NIOAsyncChannelInboundStream<ByteBuffer>, limit: Int
    ) async throws -> Result<[UInt8], RPCFrameReader.Failure> {
        var reader = RPCFrameReader(limit: limit)
        for try await bytes in inbound {
            switch reader.consume(bytes.readableBytesView) {
            case .needsMore: continue
            case .message(let message): return .success(message)
            case .failed(let failure): return .failure(failure)
            }
        }
        try Task.checkCancellation()
        return .failure(.endOfStream)
    }

    private static func refusal(_ code: RPCErrorCode, _ message: String) -> RPCReply {
        .refusal(RPCResponse.failure(id: .null, RPCError(code, message)).encoded, code)
    }
}

/// When a frame was last heard.
private final class LastSign: Sendable {
    private let time = Mutex(ContinuousClock.now)

    var at: ContinuousClock.Instant { time.withLock { $0 } }

    func note() { time.withLock { $0 = .now } }
}

/// Runs `body`, cancelling it when `deadline` has passed.
///
/// - Throws: ``DeadlineExceeded`` when it did not end in time.
private func withDeadline<T: Sendable>(
    _ deadline: Duration, _ body: @escaping @Sendable () async throws -> T
) async throws -> T {
    try await withThrowingTaskGroup(of: T?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: deadline)
            return nil
        }
        defer { group.cancelAll() }
        guard let result = try await group.next() ?? nil else { throw DeadlineExceeded() }
        return result
    }
}
