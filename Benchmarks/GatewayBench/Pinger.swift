internal import NIOCore
internal import NIOHTTP1
internal import Synchronization
internal import Transport
internal import Wire

// How long does a healthy device wait for an answer? It asks for one small thing, 500 times a second at most, one request
// after the other on one stream: what a stream of its own feels of whatever else happens to the gateway. Commands:
//
//     measure COUNT    the next COUNT answers        begin, end    the answers in between        (each reports)

struct Pinger {
    private let device: Device

    init(_ device: Device) { self.device = device }

    /// Until standard input ends.
    func run() async throws {
        let samples = PingHandler.Samples()
        let pool = device.pool(to: device.coordinator)
        let channel = try await pool.openStream { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHTTPClientHandlers()
                try channel.pipeline.syncOperations.addHandler(PingHandler(samples))
                return channel
            }
        }
        Report.write([("ready", .count(1))])
        for await command in Commands.read() {
            switch (command.first, command.count) {
            case ("measure", 2):
                guard let count = Int(command[1]) else { throw BenchError.usage }
                report(try await samples.next(count, on: channel.eventLoop).get())
            case ("begin", 1):
                samples.begin()
                Report.write([("begun", .count(1))])
            case ("end", 1): report(try samples.end())
            default: throw BenchError.usage
            }
        }
        await device.endpoint.close()
    }

    private func report(_ samples: [Duration]) {
        let sorted = samples.map { $0 / .microseconds(1) }.sorted()
        guard let worst = sorted.last else { return Report.write([("count", .count(0))]) }
        Report.write([
            ("count", .count(sorted.count)), ("p50_us", .number(sorted[sorted.count / 2])),
            ("p99_us", .number(sorted[sorted.count * 99 / 100])), ("worst_us", .number(worst)),
        ])
    }
}

/// Sends a request, waits for the end of its answer, pauses, and again. A wrong answer ends everything: then the
/// measurement has failed.
private final class PingHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private static let pause = TimeAmount.milliseconds(2)

    /// What was measured, and who waits for more.
    final class Samples: Sendable {
        private struct State {
            var samples: [Duration] = []
            var wanted: (count: Int, promise: EventLoopPromise<[Duration]>)?
            var failure: (any Error)?
        }

        private let state = Mutex(State())

        func begin() { state.withLock { $0.samples = [] } }

        /// - Throws: what ended the pings.
        func end() throws -> [Duration] {
            try state.withLock { state in
                if let failure = state.failure { throw failure }
                return state.samples
            }
        }

        func next(_ count: Int, on eventLoop: any EventLoop) -> EventLoopFuture<[Duration]> {
            let promise = eventLoop.makePromise(of: [Duration].self)
            let failure = state.withLock { state in
                state.samples = []
                state.wanted = state.failure == nil ? (count, promise) : nil
                return state.failure
            }
            if let failure { promise.fail(failure) }
            return promise.futureResult
        }

        fileprivate func add(_ sample: Duration) {
            let (wanted, samples) = state.withLock { state in
                state.samples.append(sample)
                let isEnough = state.samples.count >= state.wanted?.count ?? .max
                defer { if isEnough { state.wanted = nil } }
                return (isEnough ? state.wanted : nil, isEnough ? state.samples : [])
            }
            wanted?.promise.succeed(samples)
        }

        fileprivate func fail(_ error: any Error) {
            let wanted = state.withLock { state in
                state.failure = state.failure ?? error
                defer { state.wanted = nil }
                return state.wanted
            }
            wanted?.promise.fail(error)
        }
    }

    private let samples: Samples
    private var sent = ContinuousClock.now
    private var status: HTTPResponseStatus?
    private var next: Scheduled<Void>?

    init(_ samples: Samples) { self.samples = samples }

    func channelActive(context: ChannelHandlerContext) {
        context.fireChannelActive()
        ask(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): status = head.status
        case .body: break
        case .end:
            guard status == .ok else {
                return samples.fail(BenchError.unexpected("answered by \(status?.code ?? 0)"))
            }
            samples.add(.now - sent)
            next = context.eventLoop.assumeIsolated().scheduleTask(in: Self.pause) { [self] in ask(context) }
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        next?.cancel()
        samples.fail(ChannelError.eof)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        samples.fail(error)
        context.close(promise: nil)
    }

    private func ask(_ context: ChannelHandlerContext) {
        let head = HTTPRequestHead(
            version: .http1_1, method: .GET, uri: Device.question, headers: ["Host": "openagent"])
        sent = .now
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
}
