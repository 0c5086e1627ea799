// Dispatch sources may be cancelled from any thread; their protocol does not say so.
@preconcurrency internal import Dispatch
internal import Glibc
internal import NIOConcurrencyHelpers

// When does the user or the system want the program to end? A first SIGTERM or SIGINT asks, a second one insists. What
// ending means is the caller's business.

/// What a signal asks for.
public enum ShutdownRequest: Sendable, Equatable {
    /// Finish what runs within the grace period.
    case graceful(signal: Int32)
    /// End now.
    case immediate(signal: Int32)
}

/// Signals as a stream. One at a time in a process; while it lives, the signals do not end the process by themselves.
public struct ShutdownSignals: Sendable {
    /// The first signal, then every further one. One consumer; ends when the consumer's task is cancelled.
    public let requests: AsyncStream<ShutdownRequest>

    /// Catches SIGTERM and SIGINT. Returns once they are caught: one that is sent afterwards is not lost.
    public init() async {
        await self.init([SIGTERM, SIGINT])
    }

    init(_ signals: [Int32]) async {
        let queue = DispatchQueue(label: "openagent.signals")
        let (requests, continuation) = AsyncStream.makeStream(of: ShutdownRequest.self)
        let isFirst = NIOLockedValueBox(true)
        var sources: [any DispatchSourceSignal] = []
        for signal in signals {
            let source = DispatchSource.makeSignalSource(signal: signal, queue: queue)
            source.setEventHandler {
                let first = isFirst.withLockedValue { first in
                    defer { first = false }
                    return first
                }
                // Several signals may arrive as one event.
                for number in 0..<max(1, source.data) {
                    continuation.yield(first && number == 0 ? .graceful(signal: signal) : .immediate(signal: signal))
                }
            }
            await withCheckedContinuation { registered in
                source.setRegistrationHandler { registered.resume() }
                source.activate()
            }
            sources.append(source)
        }
        continuation.onTermination = { [sources] _ in
            for source in sources { source.cancel() }
        }
        self.requests = requests
    }
}
