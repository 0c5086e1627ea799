import Synchronization

/// A value that tests share with what they test.
final class TestMutex<Value: Sendable>: Sendable {
    private let mutex: Mutex<Value>

    init(_ value: Value) { mutex = Mutex(value) }

    var value: Value { mutex.withLock { $0 } }

    func change<R: Sendable>(_ body: @Sendable (inout Value) -> R) -> R {
        mutex.withLock { value in body(&value) }
    }
}
