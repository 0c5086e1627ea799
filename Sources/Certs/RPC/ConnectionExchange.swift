internal import NIOCore
public import Transport

// How does a client's call reach the coordinator? On a stream of its own over one connection. A watch has its stream for as
// long as it lasts.

/// Calls over a QUIC connection.
struct ConnectionExchange: RPCExchange {
    let connection: Connection
    let timeout: Duration

    var coordinator: NodeID { connection.peer }

    func exchange(_ message: [UInt8]) async throws -> [UInt8] {
        try await translating(timeout) {
            let channel = try await connection.openStream { RPCStream.prepare($0) }
            return try await RPCStream.call(channel, request: message, deadline: timeout)
        }
    }

    /// Watches the roster.
    ///
    /// - Parameters:
    ///   - addresses: where this agent can be reached; nil leaves what the coordinator knows.
    ///   - silence: without a frame for so long the watch is over.
    ///   - onFrame: called for every frame, in order; when it throws, the watch is over.
    /// - Throws: always: ``RPCError`` when the coordinator refuses or ends it, else ``CoordinatorClientError``, or
    ///   `CancellationError`.
    func watch(
        addresses: [String]?, silence: Duration, onFrame: @escaping @Sendable (WatchFrame) throws -> Void
    ) async throws -> Never {
        let id = CBORValue.text(Base16.encode(randomBytes(16)))
        var parameters: CBORMap = [:]
        if let addresses { _ = parameters.insert("addresses", .array(addresses.map { .text($0) })) }
        let request = RPCRequest(id: id, method: RPCMethod.watch.rawValue, parameters: parameters).encoded
        try await translating(silence) {
            let channel = try await connection.openStream { RPCStream.prepare($0) }
            try await RPCStream.watch(channel, request: request, silence: silence) { message in
                try onFrame(Self.frame(message, id: id))
            }
        }
        try Task.checkCancellation()
        throw CoordinatorClientError.connectionLost("the watch ended")
    }

    private static func frame(_ message: [UInt8], id: CBORValue) throws -> WatchFrame {
        let limits = CBORLimits(bytes: RPCFrame.responseLimit, items: 65_536)
        guard let value = try? CBORReader.read(message, limits: limits), let response = RPCResponse(value) else {
            throw CoordinatorClientError.malformedAnswer(RPCMethod.watch.rawValue)
        }
        switch response {
        case .failure(_, let error): throw error
        case .result(id: id, let result):
            guard let frame = WatchFrame(wire: result) else { fallthrough }
            return frame
        case .result: throw CoordinatorClientError.malformedAnswer(RPCMethod.watch.rawValue)
        }
    }

    /// Says in the client's words why a stream has no answer.
    private func translating<R>(_ timeout: Duration, _ body: () async throws -> R) async throws -> R {
        do {
            return try await body()
        } catch is DeadlineExceeded {
            throw CoordinatorClientError.timeout(seconds: timeout.components.seconds)
        } catch let failure as RPCFrameReader.Failure {
            switch failure {
            case .tooLarge: throw CoordinatorClientError.malformedAnswer("the call: it is too large")
            case .endOfStream: throw CoordinatorClientError.connectionLost("the answer is incomplete")
            }
        } catch let error as CancellationError {
            throw error
        } catch let error as CoordinatorClientError {
            throw error
        } catch let error as RPCError {
            throw error
        } catch {
            throw CoordinatorClientError.connectionLost("\(error)")
        }
    }
}

extension CoordinatorClient {
    /// - Parameters:
    ///   - connection: with the protocol ``ALPN/coordinator``. Its owner closes it.
    ///   - timeout: for each call.
    public init(connection: Connection, timeout: Duration = .seconds(30)) {
        self.init(exchange: ConnectionExchange(connection: connection, timeout: timeout))
    }
}
