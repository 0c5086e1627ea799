// What does a route say about itself? What it is for, what it takes and what it answers when all goes well; what can go wrong
// is the same for all and is added where the document is made. A route can't be declared without it.

/// The description of a route.
struct Operation: Sendable {
    /// A value besides the path's own.
    struct Parameter: Sendable {
        enum Place: String, Sendable { case query, header }

        var name: String
        var place = Place.query
        var schema: JSONSchema
        var summary: String
        var isRequired = false

        static func query(_ name: String, _ schema: JSONSchema, _ summary: String) -> Parameter {
            Parameter(name: name, schema: schema, summary: summary)
        }

        /// A text.
        static func query(_ name: String, _ summary: String) -> Parameter { query(name, .string(), summary) }

        static func header(_ name: String, _ summary: String) -> Parameter {
            Parameter(name: name, place: .header, schema: .string(), summary: summary)
        }
    }

    /// What a request carries or an answer brings.
    enum Content: Sendable {
        case json(any (Decodable & Sendable).Type)
        /// JSON whose shape nobody decides here.
        case anyJSON
        /// Bytes of one of these types.
        case bytes([String])
        /// A form with one file.
        case file
        /// `text/event-stream`
        case events
    }

    struct Answer: Sendable {
        var status: Int
        var content: Content?
        var summary: String

        static func json(_ type: any (Decodable & Sendable).Type, status: Int = 200) -> Answer {
            Answer(status: status, content: .json(type), summary: "Done")
        }

        static func bytes(_ types: String..., status: Int = 200, summary: String = "The bytes") -> Answer {
            Answer(status: status, content: .bytes(types), summary: summary)
        }

        static func empty(_ status: Int, _ summary: String) -> Answer {
            Answer(status: status, content: nil, summary: summary)
        }
    }

    /// One sentence.
    var summary: String
    var parameters: [Parameter] = []
    /// The kinds of body of which a request has one; none: it has no body.
    var bodies: [Content] = []
    /// Whether a request may come without any of them.
    var isBodyOptional = false
    var answers: [Answer]
    /// Statuses of errors that come besides those that every route has.
    var errors: [Int] = []

    init(
        _ summary: String, _ parameters: [Parameter] = [], body: Content..., answers: [Answer], errors: [Int] = []
    ) {
        self.summary = summary
        self.parameters = parameters
        bodies = body
        self.answers = answers
        self.errors = errors
    }

    /// A route that answers one JSON shape.
    init(
        _ summary: String, _ parameters: [Parameter] = [], body: Content..., answer: any (Decodable & Sendable).Type,
        status: Int = 200, errors: [Int] = []
    ) {
        self.init(summary, parameters, answers: [.json(answer, status: status)], errors: errors)
        bodies = body
    }

    /// The same with a body that may be left out.
    func withOptionalBody() -> Operation {
        var operation = self
        operation.isBodyOptional = true
        return operation
    }
}
