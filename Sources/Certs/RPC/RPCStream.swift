internal import NIOCore

// How does one call travel over one stream? A frame each way with a deadline over the whole. Works on any NIO channel of
// bytes; it knows neither methods nor rules.

/// A call did not end in time.
struct DeadlineExceeded: Error {}

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
    /// - Parameter deadline: for everything, from the first byte awaited to the last one written.
    static func serve(
        _ channel: Channel, deadline: Duration, answer: @escaping @Sendable ([UInt8]) async -> [UInt8]
    ) async throws {
        try await withDeadline(deadline) {
            try await channel.executeThenClose { inbound, outbound in
                let reply =
                    switch try await message(from: inbound, limit: RPCFrame.requestLimit) {
                    case .success(let request): await answer(request)
                    case .failure(.tooLarge): refusal(.tooLarge, "a request has at most \(RPCFrame.requestLimit) bytes")
                    case .failure(.endOfStream): refusal(.endOfStream, "the request is incomplete")
                    }
                try await outbound.write(ByteBuffer(bytes: RPCFrame.encode(reply)))
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

    private static func refusal(_ code: RPCErrorCode, _ message: String) -> [UInt8] {
        RPCResponse.failure(id: .null, RPCError(code, message)).encoded
    }
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
