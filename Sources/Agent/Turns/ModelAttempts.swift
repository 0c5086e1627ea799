// A model did not answer: ask it again, ask another one, or give up? Bounded in number and in time, and never again once a word of the
// answer was streamed, because the reader would get a second beginning. Pure: chance comes as a number, and whoever asks does the waiting.

/// How often and how long is tried.
public struct RetryPolicy: Sendable, Equatable {
    /// Attempts with one model.
    public var attempts = 3
    /// The first pause in seconds; doubled each time.
    public var pause = 1.0
    /// The longest time in seconds that a provider's `Retry-After` is waited for; the next model is asked otherwise.
    public var longestPause = 60.0

    public init() {}
}

/// The attempts of one step of a turn, over the models of the chain.
struct ModelAttempts: Sendable, Equatable {
    enum Next: Sendable, Equatable {
        /// Ask the same model again after so many seconds.
        case again(after: Double)
        /// Ask the next model of the chain.
        case next
        case giveUp
    }

    let policy: RetryPolicy
    let models: Int
    /// The place in the chain of the model to ask.
    private(set) var model: Int
    private var failures = 0
    /// The models that were not asked yet begin here, after the first one.
    private var tried: Set<Int> = []

    /// - Parameter first: the place of the model that answered the step before.
    init(_ policy: RetryPolicy, models: Int, first: Int = 0) {
        self.policy = policy
        self.models = models
        model = first
    }

    /// - Parameters:
    ///   - hasSpoken: a part of the answer was streamed.
    ///   - chance: from 0 to 1.
    mutating func failed(_ error: ModelError, hasSpoken: Bool, chance: Double) -> Next {
        if hasSpoken { return .giveUp }
        failures += 1
        let backoff = policy.pause * Double(1 << min(failures - 1, 16)) * (0.5 + chance / 2)
        switch error {
        case .busy(let retryAfter):
            let pause = max(0, retryAfter ?? backoff)
            guard failures < policy.attempts, pause <= policy.longestPause else { return another() }
            return .again(after: pause)
        case .unavailable:
            guard failures < policy.attempts else { return another() }
            return .again(after: min(backoff, policy.longestPause))
        case .unauthorized, .contextTooLong, .rejected, .malformed:
            return another()
        }
    }

    private mutating func another() -> Next {
        tried.insert(model)
        guard let next = (0..<models).first(where: { !tried.contains($0) }) else { return .giveUp }
        model = next
        failures = 0
        return .next
    }
}
