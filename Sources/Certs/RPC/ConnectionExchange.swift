internal import NIOCore
public import Transport

// How does a client's call reach the coordinator? On a stream of its own over one connection.

/// Calls over a QUIC connection.
struct ConnectionExchange: RPCExchange {
    let connection: Connection
    let timeout: Duration

    var coordinator: NodeID { connection.peer }

    func exchange(_ message: [UInt8]) async throws -> [UInt8] {
        do {
            let channel = try await connection.openStream { RPCStream.prepare($0) }
            return try await RPCStream.call(channel, request: message, deadline: timeout)
        } catch is DeadlineExceeded {
            throw CoordinatorClientError.timeout(seconds: timeout.components.seconds)
        } catch let failure as RPCFrameReader.Failure {
            switch failure {
            case .tooLarge: throw CoordinatorClientError.malformedAnswer("the call: it is too large")
            case .endOfStream: throw CoordinatorClientError.connectionLost("the answer is incomplete")
            }
        } catch let error as CancellationError {
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
