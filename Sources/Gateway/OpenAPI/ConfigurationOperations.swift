internal import Wire

// What do the routes of the configuration say about themselves?

extension Operation {
    static let configuration = Operation(
        "The configuration as it stands in its file, without secrets",
        answers: [Answer(status: 200, content: .anyJSON, summary: "An object")], errors: [503])
    static let writeConfiguration = Operation(
        "Write the whole configuration; what is [redacted] stays as it was", [.ifMatch], body: .anyJSON,
        answer: ConfigurationChanged.self, errors: [409, 412, 503])
    static let changeConfiguration = Operation(
        "Replace one section of the configuration; null removes it", [.ifMatch], body: .anyJSON,
        answer: ConfigurationChanged.self, errors: [409, 412, 503])
}
