internal import Wire

// What do the routes say about themselves that talk and tell?

extension Operation {
    static let chat = Operation(
        "Ask one thing, and wait for the answer or hear it come", body: .json(ChatRequest.self),
        answers: [
            .json(ChatAnswer.self), Answer(status: 200, content: .events, summary: "The answer, or the turn's events"),
        ], errors: [402, 403, 404, 412, 424, 429, 501, 502, 504])
    static let events = Operation(
        "Hear what changes, as long as the stream lasts",
        [.query("resource", "Only of these, separated by commas: " + EventRoutes.names.joined(separator: ", "))],
        answers: [Answer(status: 200, content: .events, summary: "Events")])
}
