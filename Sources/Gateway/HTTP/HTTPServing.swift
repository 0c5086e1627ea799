internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTPTypes
internal import NIOHTTPTypesHTTP1

// How do HTTP requests on a stream become calls of the responder? Hummingbird's own loop does it: keep-alive, pipelining,
// bodies and half-closure. This file binds that loop to a stream's credential.

/// Serves HTTP/1.1 on one stream.
struct HTTPServing: HTTPChannelHandler {
    typealias Value = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    let responder: HTTPChannelHandler.Responder
    private let idleTime: Duration

    init(_ gateway: GatewayResponder, for credential: StreamCredential, idleTime: Duration) {
        self.idleTime = idleTime
        responder = { request, writer, channel in
            let response = await gateway.respond(to: request, from: credential) { channel.close(promise: nil) }
            try await writer.write(response: response.head, body: response.body)
        }
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            try Self.addHandlers(to: channel, idleTime: idleTime, logger: logger)
        }
    }

    func handle(value: Value, logger: Logger) async {
        await handleHTTP(asyncChannel: value, logger: logger)
    }

    /// Adds the handlers behind an HTTP/1.1 codec. On the channel's event loop.
    static func addHandlers(to channel: any Channel, idleTime: Duration, logger: Logger) throws -> Value {
        let operations = channel.pipeline.syncOperations
        try operations.addHandler(HTTP1ToHTTPServerCodec(secure: false))
        try operations.addHandler(HTTPConnectionStateHandler(idleTimeout: idleTime, logger: logger))
        return try Value(
            wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
    }
}
