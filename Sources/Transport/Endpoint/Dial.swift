internal import NIOCore

// One call of `connect`: several addresses, tried one after the other with a head start for the first ones; the first
// handshake to complete wins and the others are closed.

/// An attempt to reach a node. Confined to the event loop.
final class Dial {
    /// The head start of each address over the next one (RFC 8305 §5 calls it the connection attempt delay).
    private static let stagger = TimeAmount.milliseconds(250)

    private let endpoint: EndpointCore
    private let address: NodeAddress
    private let alpn: String
    private let promise: EventLoopPromise<Connection>
    private var remaining: ArraySlice<SocketAddress>
    private var attempts: [ConnectionCore] = []
    private var next: Scheduled<Void>?
    private var deadline: Scheduled<Void>?
    private var lastError: ConnectError?
    private var isDone = false

    init(endpoint: EndpointCore, address: NodeAddress, alpn: String, promise: EventLoopPromise<Connection>) {
        self.endpoint = endpoint
        self.address = address
        self.alpn = alpn
        self.promise = promise
        remaining = address.addresses[...]
    }

    func start(timeout: TimeAmount) {
        deadline = endpoint.eventLoop.assumeIsolated().scheduleTask(in: timeout) { [self] in
            fail(lastError ?? .timeout)
        }
        tryNext()
    }

    /// Ends the dial, whatever it has reached.
    func fail(_ error: any Error) {
        guard !isDone else { return }
        finish(keeping: nil)
        promise.fail(error)
    }

    private func tryNext() {
        next?.cancel()
        next = nil
        while !isDone, let remote = remaining.popFirst() {
            do {
                let attempt = try endpoint.dial(address.nodeID, at: remote, alpn: alpn)
                attempts.append(attempt)
                attempt.onHandshake = { [self] result in attemptEnded(attempt, result) }
                if !remaining.isEmpty {
                    next = endpoint.eventLoop.assumeIsolated().scheduleTask(in: Self.stagger) { [self] in tryNext() }
                }
                return
            } catch let error as ConnectError {
                lastError = error
            } catch {
                lastError = .failed("\(error)")
            }
        }
        if attempts.isEmpty { fail(lastError ?? .noAddress(address)) }
    }

    private func attemptEnded(_ attempt: ConnectionCore, _ result: Result<Connection, ConnectError>) {
        attempts.removeAll { $0 === attempt }
        guard !isDone else { return }
        switch result {
        case .success(let connection):
            finish(keeping: attempt)
            promise.succeed(connection)
        case .failure(let error):
            // A wrong key says more than the silence of another address.
            if case .wrongKey = lastError {} else { lastError = error }
            tryNext()
        }
    }

    private func finish(keeping winner: ConnectionCore?) {
        isDone = true
        next?.cancel()
        deadline?.cancel()
        let losers = attempts
        attempts = []
        for loser in losers where loser !== winner {
            loser.onHandshake = nil
            loser.close(.local(code: 0, reason: ""), frame: .transport(code: 0, reason: ""))
        }
        endpoint.dialEnded(self)
    }
}
