import Foundation
import Testing

@testable import Gateway

@Suite(.serialized) struct LifecycleSignalTests {
    /// P-69: the first signal asks, the second insists.
    @Test(.timeLimit(.minutes(1))) func theFirstSignalAsksAndEveryOtherInsists() async throws {
        let signals = await ShutdownSignals([SIGUSR1, SIGUSR2])
        var requests = signals.requests.makeAsyncIterator()
        kill(getpid(), SIGUSR1)
        #expect(await requests.next() == .graceful(signal: SIGUSR1))
        kill(getpid(), SIGUSR2)
        #expect(await requests.next() == .immediate(signal: SIGUSR2))
        kill(getpid(), SIGUSR1)
        #expect(await requests.next() == .immediate(signal: SIGUSR1))
    }

    @Test(.timeLimit(.minutes(1))) func theStreamEndsWithItsConsumersTask() async {
        let signals = await ShutdownSignals([SIGUSR1])
        let consumer = Task { for await _ in signals.requests {} }
        consumer.cancel()
        await consumer.value
    }
}
