internal import Synchronization

// How does one task hand values to another without piling up? A queue with a bound: who puts too much in, waits.

/// A bounded queue for any number of senders and one receiver.
final class Mailbox<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var isFinished = false
        var nextID = 0
        /// At most one side waits: the receiver while there is nothing, senders while there is too much.
        var receiver: CheckedContinuation<Void, Never>?
        var senders: [(id: Int, continuation: CheckedContinuation<Void, Never>)] = []

        /// Everybody who waits, to look again.
        mutating func wakeAll() -> [CheckedContinuation<Void, Never>] {
            defer { (receiver, senders) = (nil, []) }
            return senders.map(\.continuation) + (receiver.map { [$0] } ?? [])
        }
    }

    private let capacity: Int
    private let state = Mutex(State())

    init(capacity: Int) {
        self.capacity = capacity
    }

    /// Puts `element` in, when there is room. Does nothing once the mailbox is finished.
    func send(_ element: Element) async throws {
        while true {
            try Task.checkCancellation()
            let (isDone, receiver) = state.withLock { state -> (Bool, CheckedContinuation<Void, Never>?) in
                if state.isFinished { return (true, nil) }
                guard state.elements.count < capacity else { return (false, nil) }
                state.elements.append(element)
                defer { state.receiver = nil }
                return (true, state.receiver)
            }
            receiver?.resume()
            if isDone { return }
            await waitForRoom()
        }
    }

    /// The next element, or nil when the mailbox is finished and empty, or the task is cancelled.
    func next() async -> Element? {
        while !Task.isCancelled {
            let (element, isOver, sender) = state.withLock {
                state -> (Element?, Bool, CheckedContinuation<Void, Never>?) in
                guard !state.elements.isEmpty else { return (nil, state.isFinished, nil) }
                let element = state.elements.removeFirst()
                return (element, false, state.senders.isEmpty ? nil : state.senders.removeFirst().continuation)
            }
            sender?.resume()
            if let element { return element }
            if isOver { return nil }
            await waitForElement()
        }
        return nil
    }

    /// No more elements. What is in the mailbox can still be received.
    func finish() {
        let waiting = state.withLock { state in
            state.isFinished = true
            return state.wakeAll()
        }
        for continuation in waiting { continuation.resume() }
    }

    private func waitForRoom() async {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    guard state.elements.count >= capacity, !state.isFinished, !Task.isCancelled else { return true }
                    state.senders.append((id, continuation))
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            let continuation = state.withLock { state in
                state.senders.firstIndex { $0.id == id }.map { state.senders.remove(at: $0).continuation }
            }
            continuation?.resume()
        }
    }

    private func waitForElement() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    guard state.elements.isEmpty, !state.isFinished, !Task.isCancelled else { return true }
                    state.receiver = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { state in
                defer { state.receiver = nil }
                return state.receiver
            }?
            .resume()
        }
    }
}
