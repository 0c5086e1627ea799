internal import Wire

// What do the routes of the agent itself say about themselves: does it live, which is it, what can it be asked?

extension Operation {
    static let health = Operation("Whether the agent lives", answer: HealthBody.self)
    static let agentInformation = Operation("Which agent it is", answer: AgentInformation.self)
    static let system = Operation("How the machine and the gateway are", answer: SystemReport.self)
    static let restart = Operation("End in good order, to be started anew", answer: RestartBody.self, errors: [409])
    static let document = Operation(
        "This document",
        answers: [Answer(status: 200, content: .anyJSON, summary: "OpenAPI 3.1")])
    static let webSocket = Operation(
        "Sessions and turns, over WebSocket", answers: [.empty(101, "A WebSocket from here on")], errors: [426])
}
