internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTPTypes
internal import NIOHTTPTypesHTTP1
internal import Synchronization
internal import Wire

// How is a request answered that came over no stream? The responder is asked directly, and its answer collected. Who asks
// is the operator, unless the process says otherwise: only the agent's own process can.

extension GatewayResponder {
    /// Answers one request of this process.
    ///
    /// - Parameter caller: nil is the operator.
    /// - Throws: ``GatewayClientError/bodyTooLarge(limit:)``, and what goes wrong while the answer's body is made.
    func respond(
        to head: HTTPRequestHead, body: ByteBuffer, maximumBody: Int, as caller: Caller?
    ) async throws -> GatewayResponse {
        let request = Request(
            head: try HTTPRequest(head, secure: false, splitCookie: false), body: RequestBody(buffer: body))
        let response = await respond(to: request, as: caller)
        let collected = CollectedBody(limit: maximumBody)
        try await response.body.write(collected)
        let answer = HTTPResponseHead(HTTPResponse(status: response.status, headerFields: response.headers))
        return GatewayResponse(status: answer.status, headers: answer.headers, body: collected.bytes)
    }
}

/// An answer's body in memory.
final class CollectedBody: ResponseBodyWriter, Sendable {
    private let limit: Int
    private let state = Mutex(ByteBuffer())

    init(limit: Int) { self.limit = limit }

    var bytes: ByteBuffer { state.withLock { $0 } }

    func write(_ buffer: ByteBuffer) async throws {
        try state.withLock { bytes in
            guard bytes.readableBytes + buffer.readableBytes <= limit else {
                throw GatewayClientError.bodyTooLarge(limit: limit)
            }
            bytes.writeImmutableBuffer(buffer)
        }
    }

    func finish(_ trailingHeaders: HTTPFields?) async throws {}
}
