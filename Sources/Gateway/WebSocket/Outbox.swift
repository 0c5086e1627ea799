internal import DequeModule
internal import Synchronization
internal import Wire

// What has a client not read yet? Frames wait here, within a bound, so that a slow reader costs memory only up to that
// bound and delays nobody else: senders never wait. A reader that falls further behind is cut off and resumes by number.

/// How a WebSocket ends, as the peer sees it.
struct WebSocketClosing: Sendable, Equatable {
    var code: UInt16
    var reason: String
    /// What the peer had not been sent yet is still sent; otherwise it is dropped.
    var isOrderly = false

    static let normal = WebSocketClosing(code: WebSocketCloseCode.normal, reason: "", isOrderly: true)
    static let protocolError = WebSocketClosing(
        code: WebSocketCloseCode.protocolError, reason: "protocol error", isOrderly: true)
    static let tooLarge = WebSocketClosing(
        code: WebSocketCloseCode.tooLarge, reason: "message too large", isOrderly: true)
    static let restarting = WebSocketClosing(
        code: WebSocketCloseCode.restarting, reason: "the server is restarting; come back in 2 s", isOrderly: true)
    static let revoked = WebSocketClosing(
        code: WebSocketCloseCode.revoked, reason: "device authorization changed")
    static let suspended = WebSocketClosing(code: WebSocketCloseCode.revoked, reason: "user suspended")
    static let expired = WebSocketClosing(
        code: WebSocketCloseCode.expired, reason: "certificate expired: come back with a newer one")
    static let unavailable = WebSocketClosing(
        code: WebSocketCloseCode.tryAgainLater, reason: "device membership unavailable")
    static let slow = WebSocketClosing(
        code: WebSocketCloseCode.tooSlow, reason: "too far behind: reconnect and resume by seq")
}

extension WebSocketClosing {
    /// How a socket ends whose peer is not served any more.
    init(_ refusal: Refusal) {
        switch refusal {
        case .badCertificate(.expired): self = .expired
        case .membershipUnavailable: self = .unavailable
        case .missingCertificate, .badCertificate, .revoked, .inactive, .forbidden: self = .revoked
        }
    }
}

/// The frames that wait for one WebSocket.
final class Outbox: Sendable {
    enum Item: Sendable, Equatable {
        case text(String)
        case pong([UInt8])

        fileprivate var size: Int {
            switch self {
            case .text(let text): text.utf8.count
            case .pong(let bytes): bytes.count
            }
        }
    }

    private struct State {
        var items: Deque<Item> = []
        var bytes = 0
        /// The newest measurement of the machine, which takes no place in line.
        var snapshot: String?
        /// The socket's first frame is in line, or was: others may follow.
        var isGreeted = false
        var closing: WebSocketClosing?
        var isFarewellTaken = false
    }

    private let state = Mutex(State())
    private let maximumBytes: Int
    private let maximumItems: Int
    private let (arrivals, arrival) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    private let (closings, closed) = AsyncStream.makeStream(
        of: WebSocketClosing.self, bufferingPolicy: .bufferingOldest(1))
    private let (rooms, room) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    init(limits: GatewayLimits) {
        maximumBytes = limits.backlogBytes
        maximumItems = limits.backlogEvents
    }

    /// Puts a frame in line. Never waits; when the line is too long the socket is closed with 4008 instead.
    func send(_ item: Item) {
        let weight = weight(of: item)
        let closing: WebSocketClosing? = state.withLock { state in
            guard state.closing == nil else { return nil }
            guard state.items.count < maximumItems, state.bytes + weight <= maximumBytes else {
                state = State(closing: .slow)
                return .slow
            }
            state.items.append(item)
            state.bytes += weight
            state.isGreeted = true
            return nil
        }
        if let closing { finish(closing) } else { arrival.yield() }
    }

    /// There is no first frame to wait for.
    func greet() { state.withLock { $0.isGreeted = true } }

    /// Puts a frame in line that the peer did not ask for. Before the greeting there is nobody to hear it.
    func broadcast(_ frame: String) {
        if state.withLock({ $0.isGreeted }) { send(.text(frame)) }
    }

    /// Sends a frame that the next one of its kind replaces, as soon as the peer is near the end of its line. It takes no
    /// place in line and never closes a socket.
    func offer(snapshot frame: String) {
        let isOpen = state.withLock { state in
            guard state.closing == nil else { return false }
            state.snapshot = frame
            return true
        }
        if isOpen { arrival.yield() }
    }

    /// Puts a frame in line as soon as the line is half empty: for replay, which can wait. One caller at a time.
    func sendWhenRoom(_ item: Item) async {
        var waiting = rooms.makeAsyncIterator()
        while !hasRoom(for: item) {
            guard await waiting.next() != nil else { return }
        }
        send(item)
    }

    /// Puts a frame in line that may be left out, if the line is less than half full. Never closes the socket.
    ///
    /// - Returns: false when there is no room.
    func offer(_ item: Item) -> Bool {
        let weight = weight(of: item)
        let isTaken = state.withLock { state in
            guard state.closing == nil else { return true }
            guard state.items.count < maximumItems / 2, state.bytes + weight <= maximumBytes / 2 else { return false }
            state.items.append(item)
            state.bytes += weight
            return true
        }
        if isTaken { arrival.yield() }
        return isTaken
    }

    /// Ends the socket. The first reason counts.
    func close(_ closing: WebSocketClosing) {
        let isFirst = state.withLock { state in
            guard state.closing == nil else { return false }
            if closing.isOrderly { state.closing = closing } else { state = State(closing: closing) }
            return true
        }
        if isFirst { finish(closing) }
    }

    /// Whether nothing that the client says counts any more.
    var isClosing: Bool { state.withLock { $0.closing != nil } }

    /// Everything that waits, in order; suspends while there is nothing. Nil when the socket ends. One caller.
    func next() async -> [Item]? {
        var arrived = arrivals.makeAsyncIterator()
        while true {
            if let items = take() { return items }
            guard await arrived.next() != nil else { return nil }
        }
    }

    /// Why the socket has to end; suspends until it has to. Nil when the waiting task is cancelled. One caller.
    func closing() async -> WebSocketClosing? {
        for await closing in closings { return closing }
        return nil
    }

    /// The close frame to send, to whoever asks first.
    func takeFarewell() -> WebSocketClosing? {
        state.withLock { state in
            guard !state.isFarewellTaken, let closing = state.closing else { return nil }
            state.isFarewellTaken = true
            return closing
        }
    }

    private func take() -> [Item]? {
        let items: [Item] = state.withLock { state in
            var items = Array(state.items.prefix(64))
            state.items.removeFirst(items.count)
            state.bytes -= items.reduce(0) { $0 + weight(of: $1) }
            let isNearlyRead = state.items.count <= maximumItems / 4 && state.bytes <= maximumBytes / 4
            if state.isGreeted, isNearlyRead, let snapshot = state.snapshot {
                items.append(.text(snapshot))
                state.snapshot = nil
            }
            return items
        }
        room.yield()
        return items.isEmpty ? nil : items
    }

    private func hasRoom(for item: Item) -> Bool {
        let weight = weight(of: item)
        return state.withLock { state in
            state.closing != nil || state.items.isEmpty
                || (state.items.count < maximumItems / 2 && state.bytes + weight <= maximumBytes / 2)
        }
    }

    /// A single frame never counts for more than half of the bound: the longest answer there is must get through, also
    /// to a client that has read everything before it.
    private func weight(of item: Item) -> Int { min(item.size, maximumBytes / 2) }

    private func finish(_ closing: WebSocketClosing) {
        closed.yield(closing)
        closed.finish()
        arrival.finish()
        room.finish()
    }
}
