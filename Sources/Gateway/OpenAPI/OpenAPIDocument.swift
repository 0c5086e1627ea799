internal import HTTPTypes
internal import JSON
internal import Wire

// What does `GET /api/openapi.json` say? OpenAPI 3.1, made from the declarations that serve: nothing can be asked that isn't in
// it, and nothing is in it that can't be asked.

/// The gateway's own description.
struct OpenAPIDocument {
    let version: String
    let routes: [Route]

    /// - Throws: ``NotReadable`` and what types throw that can't be read; a test reads them all.
    func json() throws -> JSONValue {
        var paths: [String: [String: JSONValue]] = [:]
        for route in routes {
            paths[Self.path(route.path), default: [:]][route.method.rawValue.lowercased()] = try Self.operation(route)
        }
        return [
            "openapi": "3.1.0",
            "info": [
                "title": "OpenAgent gateway", "version": .string(version),
                "description":
                    "An agent's REST API, reached over the overlay with a device's certificate, or through `openagent proxy` on this machine. Lists come in pages: `limit`, and `cursor` with what the page before said in `next_cursor`. Errors have a stable `code`, a message for people and, where something can be done, a hint. What is said over `/ws` is in docs/protocol.md.",
            ],
            "tags": .array(
                Set(routes.map(Self.tag)).sorted().map { name in
                    ["name": .string(name), "description": .string(DocumentWords.tags[name] ?? name)]
                }),
            "paths": .object(paths.mapValues(JSONValue.object)),
            "security": [["deviceCertificate": []]],
            "components": [
                "schemas": ["Error": DocumentWords.described(try JSONSchema(of: ErrorBody.self).json)],
                "securitySchemes": [
                    "deviceCertificate": [
                        "type": "mutualTLS",
                        "description":
                            "A device's certificate in front of each stream, which counts only on a connection of that device's key. Nothing in a request's header says who asks; the loopback proxy shows the certificate of its device.",
                    ]
                ],
            ],
        ]
    }

    /// The area of a route, by which readers find it.
    private static func tag(_ route: Route) -> String {
        let parts = route.path.split(separator: "/").map(String.init)
        let name = parts.count > 1 ? parts[1] : parts.first ?? ""
        return DocumentWords.areas[name] ?? name
    }

    private static func operation(_ route: Route) throws -> JSONValue {
        let operation = route.operation
        var fields: [String: JSONValue] = [
            "operationId": .string(identifier(route)),
            "summary": .string(operation.summary),
            "x-role": .string(role(route)),
            "tags": [.string(tag(route))],
            "responses": .object(try responses(route)),
        ]
        if route.isOpen { fields["security"] = [] }
        let parameters = pathParameters(route.path) + operation.parameters.map(parameter)
        if !parameters.isEmpty { fields["parameters"] = .array(parameters) }
        if !operation.bodies.isEmpty {
            fields["requestBody"] = [
                "required": .bool(!operation.isBodyOptional),
                "content": .object(try contents(operation.bodies, example: DocumentWords.examples[identifier(route)])),
            ]
        }
        return .object(fields)
    }

    /// Who may ask.
    private static func role(_ route: Route) -> String {
        switch route.access {
        case .open: "anyone"
        case .requires where route.bridges == .only: "bridge"
        case .requires(.member, _): "member"
        case .requires(.admin, _): "admin"
        }
    }

    // MARK: Answers

    private static func responses(_ route: Route) throws -> [String: JSONValue] {
        var responses: [String: JSONValue] = [:]
        for status in errors(of: route) {
            responses["\(status)"] = ["description": "Why not", "content": .object(error(status))]
        }
        if !route.isOpen {
            responses["401"] = ["description": "No certificate that counts", "content": .object(plainText)]
            responses["503"] = [
                "description": "The members of the network can't be asked, or what is asked for isn't there now",
                "content": .object(plainText.merging(error(503)) { first, _ in first }),
            ]
        }
        for (status, answers) in Dictionary(grouping: route.operation.answers, by: \.status) {
            var fields: [String: JSONValue] = ["description": .string(answers[0].summary)]
            let contents = try contents(answers.compactMap(\.content))
            if !contents.isEmpty { fields["content"] = .object(contents) }
            responses["\(status)"] = .object(fields)
        }
        return responses
    }

    /// Every route may be asked with nonsense, and every one may meet a broken disk.
    private static func errors(of route: Route) -> Set<Int> {
        var errors: Set<Int> = [400, 500]
        if case .requires(.admin, _) = route.access { errors.insert(403) }
        if route.bridges != .allowed { errors.insert(403) }
        if route.path.contains("{") { errors.insert(404) }
        if !route.operation.bodies.isEmpty { errors.insert(413) }
        if route.method != .get { errors.insert(507) }
        return errors.union(route.operation.errors)
    }

    private static let plainText: [String: JSONValue] = ["text/plain": ["schema": ["type": "string"]]]

    /// With an example: the code that goes with the status.
    private static func error(_ status: Int) -> [String: JSONValue] {
        var content: [String: JSONValue] = ["schema": ["$ref": "#/components/schemas/Error"]]
        if let code = ErrorCode.allCases.first(where: { Int($0.status.code) == status }) {
            content["example"] = [
                "error": ["code": .string(code.rawValue), "message": "What is wrong.", "hint": "What to do."]
            ]
        }
        return ["application/json": .object(content)]
    }

    private static func contents(
        _ contents: [Operation.Content], example: JSONValue? = nil
    ) throws -> [String: JSONValue] {
        var all: [String: JSONValue] = [:]
        for content in contents { all.merge(try Self.content(content)) { first, _ in first } }
        if let example, case .object(var fields)? = all["application/json"] {
            fields["example"] = example
            all["application/json"] = .object(fields)
        }
        return all
    }

    private static func content(_ content: Operation.Content) throws -> [String: JSONValue] {
        switch content {
        case .json(let type): ["application/json": ["schema": DocumentWords.described(try JSONSchema(of: type).json)]]
        case .anyJSON: ["application/json": ["schema": [:]]]
        case .bytes(let types):
            Dictionary(types.map { ($0, ["schema": ["type": "string", "format": "binary"]]) }) { first, _ in first }
        case .file:
            [
                "multipart/form-data": [
                    "schema": [
                        "type": "object", "required": ["file"],
                        "properties": ["file": ["type": "string", "format": "binary"]],
                    ]
                ]
            ]
        // What reads such a stream sees its events, not one text.
        case .events:
            ["text/event-stream": ["schema": ["description": "Server-sent events (WHATWG HTML, section 9.2)"]]]
        }
    }

    // MARK: Questions

    private static func parameter(_ parameter: Operation.Parameter) -> JSONValue {
        [
            "name": .string(parameter.name), "in": .string(parameter.place.rawValue),
            "required": .bool(parameter.isRequired), "description": .string(parameter.summary),
            "schema": parameter.schema.json,
        ]
    }

    private static func pathParameters(_ path: String) -> [JSONValue] {
        names(in: path).map { name in
            [
                "name": .string(name), "in": "path", "required": true,
                "description": .string(DocumentWords.parts[name] ?? name),
                "schema": shapes[name] ?? shape(longest: 256),
            ]
        }
    }

    /// What the parts of paths must be, by their names.
    private static let shapes: [String: JSONValue] = [
        "key": ["type": "string", "pattern": "^[0-9a-fA-F]{64}$"], "path": shape(longest: 1_024),
    ]

    private static func shape(longest: Int64) -> JSONValue {
        ["type": "string", "minLength": 1, "maxLength": .integer(longest)]
    }

    /// `{name}`, and `{name:**}` for the rest of the path.
    private static func names(in path: String) -> [String] {
        path.split(separator: "/").compactMap { part in
            guard part.hasPrefix("{"), part.hasSuffix("}") else { return nil }
            return String(part.dropFirst().dropLast().prefix { $0 != ":" })
        }
    }

    private static func path(_ path: String) -> String {
        "/"
            + path.split(separator: "/").map { part in
                part.hasPrefix("{") ? "{\(part.dropFirst().dropLast().prefix { $0 != ":" })}" : String(part)
            }.joined(separator: "/")
    }

    /// E.g. `get_api_network_users_handle`.
    private static func identifier(_ route: Route) -> String {
        let path = route.path.map { $0.isLetter || $0.isNumber ? $0 : "_" }
        return route.method.rawValue.lowercased()
            + String(path).split(separator: "_").map { "_" + $0 }.joined()
    }
}
