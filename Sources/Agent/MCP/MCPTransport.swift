internal import JSON

// How do messages get to an MCP server and back? Over the pipes of a program or over HTTP. What both have in common is here: a connection
// that lives as long as its task and ends with a reason.

/// A message on its way to a server.
struct MCPOutgoing: Sendable {
    var message: JSONRPCMessage
    /// What the server has agreed to speak; nil before.
    var version: String?
}

/// Carries messages to and from one server, for one connection.
protocol MCPTransport: Sendable {
    /// Connects, carries messages and returns never but by an error, when nothing of the connection is left.
    ///
    /// - Parameters:
    ///   - outgoing: what the server is sent, in order.
    ///   - received: is given each message of the server's, or what it took for one; the server waits meanwhile.
    /// - Throws: ``MCPFailure``, or `CancellationError` after an end in good order.
    func run(
        _ outgoing: AsyncStream<MCPOutgoing>, received: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws -> Never
}

/// Why a connection has ended, or could not be made.
struct MCPFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// In words for the operator: nothing secret is in them.
    var description: String
    /// The server has forgotten the connection, and a new one will do.
    var isForgotten = false

    init(_ description: String, isForgotten: Bool = false) {
        self.description = description
        self.isForgotten = isForgotten
    }
}
