// What can go wrong between a client and a fake? A test says for which requests and how often; all else works.

/// What happens to a request.
public struct FakeFault: Sendable {
    public enum Action: Sendable {
        /// This is the answer; the fake does not learn of the request. For an upgrade: it is refused so.
        case answer(FakeResponse)
        /// The connection is closed; the fake does not learn of the request.
        case cut
        /// No answer ever comes; the fake does not learn of the request.
        case never
        /// The fake does what is asked; then the connection is closed after so many bytes of the answer's body, or before its head (nil).
        case cutAnswer(after: Int?)
        /// The fake does what is asked; then nothing more comes after so many bytes of the answer's body, or no answer at all (nil).
        case stallAnswer(after: Int?)
        /// The fake learns of the request when the gate is open.
        case delay(FakeGate)
        /// The fake does what is asked; its answer waits until the gate is open.
        case delayAnswer(FakeGate)
    }

    public var action: Action
    /// How many requests are left to it.
    public var times: Int
    public var matches: @Sendable (FakeRequest) -> Bool

    public init(
        _ action: Action, times: Int = 1, where matches: @escaping @Sendable (FakeRequest) -> Bool = { _ in true }
    ) {
        self.action = action
        self.times = times
        self.matches = matches
    }
}
