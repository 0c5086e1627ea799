internal import Hummingbird
internal import NIOCore
internal import Wire

// How does an admin make the agent start anew? The process ends in good order with its own exit code, by which a service
// manager knows that it is to be started again (docs/operations.md).

enum RestartRoutes {
    /// - Parameter request: nil when nobody serves the agent.
    static func routes(_ request: (@Sendable () -> Void)?) -> [Route] {
        [
            .admin(.post, "/api/restart", .restart, announces: .nothing(because: "every socket is closed with 1012")) {
                _, _, _ in
                guard let request else {
                    throw ErrorResponse(
                        status: .conflict, code: .conflict,
                        message: "Nobody serves this agent, so there is nothing to restart.",
                        hint: "Start it with: openagent serve DIR")
                }
                var response = try JSON.response(RestartBody(ok: true))
                let body = response.body
                // The answer first: the end of the process begins with the end of what it has open.
                response.body = ResponseBody(contentLength: body.contentLength) { writer in
                    try await body.write(writer)
                    request()
                }
                return response
            }
        ]
    }
}
