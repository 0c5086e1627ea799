internal import Foundation
public import JSON
internal import NIOCore
internal import Synchronization

// What does a fake do with a WebSocket that somebody opened? Everything that the real server does, and what it does when the network
// between fails.

/// A WebSocket as the server has it.
public final class FakeSocket: Sendable {
    /// What came from the client.
    public enum Event: Sendable, Equatable {
        case text(String)
        /// The client asked for a sign of life; it was answered.
        case ping
        case pong
        /// The client said goodbye; it was answered. Nothing follows.
        case closed(code: UInt16?, reason: String)

        /// A text that is JSON.
        public var json: JSONValue? {
            guard case .text(let text) = self else { return nil }
            return try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
        }
    }

    /// How it opened.
    public let request: FakeRequest
    private let inbound: AsyncStream<Event>
    private let outbound: NIOAsyncChannelOutboundWriter<FakeOutput>
    private let channel: any Channel
    private let reading: HeldReads
    private let seen = Watched<[Event]>([])
    private let goodbye = Mutex(false)

    init(
        _ request: FakeRequest, _ inbound: AsyncStream<Event>, _ outbound: NIOAsyncChannelOutboundWriter<FakeOutput>,
        _ channel: any Channel, _ reading: HeldReads
    ) {
        self.request = request
        self.inbound = inbound
        self.outbound = outbound
        self.channel = channel
        self.reading = reading
    }

    /// What arrives, in order; ends when the connection does. For one consumer.
    public var events: AsyncStream<Event> { inbound }

    /// Everything that has arrived, whether somebody read it or not.
    public var received: [Event] { seen.now }

    /// Waits for what the client sends.
    public func waitFor<Result: Sendable>(
        _ what: String, within limit: Duration = .seconds(10), _ condition: @escaping @Sendable ([Event]) -> Result?
    ) async throws -> Result {
        try await seen.waitFor(what, within: limit, condition)
    }

    func note(_ event: Event) { seen.change { $0.append(event) } }

    public var isOpen: Bool { channel.isActive }

    // MARK: To the client

    /// Waits while the client does not read.
    public func send(_ text: String) async throws { try await outbound.write(.text(text)) }

    public func send(_ value: JSONValue) async throws {
        try await send(String(decoding: try JSONEncoder().encode(value), as: UTF8.self))
    }

    public func ping() async throws { try await outbound.write(.ping) }

    /// Says goodbye. ``events`` end when the client has answered, or with the connection.
    public func close(code: UInt16 = 1000, reason: String = "") async throws {
        let isFirst = goodbye.withLock { said in
            defer { said = true }
            return !said
        }
        if isFirst { try await outbound.write(.close(code: code, reason: reason)) }
    }

    // MARK: When the network fails

    /// The connection ends without a goodbye.
    public func cut() { channel.close(promise: nil) }

    /// Nothing is read any more, as if the way to here were gone: pings get no answer either.
    public func stopReading() { reading.hold(true) }

    public func resumeReading() {
        reading.hold(false)
        channel.read()
    }
}

/// Whether a connection reads. The handlers at the wire ask.
final class HeldReads: Sendable {
    private let isHeld = Mutex(false)

    var held: Bool { isHeld.withLock { $0 } }
    func hold(_ held: Bool) { isHeld.withLock { $0 = held } }
}
