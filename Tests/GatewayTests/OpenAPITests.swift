import Foundation
import JSON
import Testing

@testable import Agent
@testable import Certs
@testable import Gateway
@testable import Wire

// Does the document say what the gateway does? Its routes are compared with those that serve, and the answers of a running
// gateway with what it says about them.

@Suite struct OpenAPITests {
    private static let methods = ["get", "put", "post", "patch", "delete"]

    @Test func theDocumentHasEveryRouteAndNoOther() throws {
        let gateway = try TestGateway(place: .coordinator)
        let routes = try gateway.routes() + [GatewayResponder.upgradeRequired(GatewayServer.webSocket)]
        let paths = try #require(try OpenAPIDocument(version: "1", routes: routes).json()["paths"]?.fields)
        let documented = paths.flatMap { path, operations in
            (operations.fields ?? [:]).keys.map { "\($0.uppercased()) \(path)" }
        }
        let declared = routes.map { "\($0.method.rawValue) \($0.path.replacing(":**}", with: "}"))" }
        #expect(Set(documented) == Set(declared) && documented.count == declared.count)
    }

    @Test func everyOperationIsComplete() throws {
        let gateway = try TestGateway(place: .coordinator)
        let document = try OpenAPIDocument(version: "1", routes: try gateway.routes()).json()
        var ids: Set<String> = []
        for (path, operations) in try #require(document["paths"]?.fields) {
            for (method, operation) in try #require(operations.fields) {
                #expect(Self.methods.contains(method))
                let id = try #require(operation["operationId"]?.string)
                #expect(ids.insert(id).inserted, "\(id) is there twice")
                #expect(operation["summary"]?.string?.isEmpty == false)
                let tag = try #require(operation["tags"]?.items?.first)
                #expect(document["tags"]?.items?.contains { $0["name"] == tag } == true)
                #expect((operation["security"] != nil) == (path == "/api/health"))
                let parameters = operation["parameters"]?.items ?? []
                let inPath = parameters.filter { $0["in"] == "path" }.compactMap { $0["name"]?.string }
                let expected = path.matches(of: /\{([a-z]+)\}/).map { String($0.1) }
                #expect(inPath == expected, "\(method) \(path)")
                let keys = parameters.map { "\($0["in"]?.string ?? "") \($0["name"]?.string ?? "")" }
                #expect(Set(keys).count == keys.count, "\(method) \(path)")
                let statuses = Set(try #require(operation["responses"]?.fields).keys)
                #expect(statuses.contains { $0.hasPrefix("2") }, "\(method) \(path)")
                #expect(statuses.isSuperset(of: path == "/api/health" ? ["500"] : ["401", "500", "503"]))
            }
        }
    }

    @Test("its words are about what is in it, and its examples are allowed by it")
    func words() throws {
        let gateway = try TestGateway(place: .coordinator)
        let document = try OpenAPIDocument(version: "1", routes: try gateway.routes()).json()
        var parts: Set<String> = []
        var examples: Set<String> = []
        for (path, operations) in try #require(document["paths"]?.fields) {
            for operation in try #require(operations.fields).values {
                for parameter in operation["parameters"]?.items ?? [] {
                    let name = try #require(parameter["name"]?.string)
                    #expect(parameter["description"]?.string.map { $0 != name } == true, "\(path) \(name)")
                    if parameter["in"] == "path" { parts.insert(name) }
                }
                let content = operation["requestBody"]?["content"]?["application/json"]
                if let example = content?["example"], let schema = content?["schema"] {
                    examples.insert(try #require(operation["operationId"]?.string))
                    #expect(Self.problems(example, schema, at: "$").isEmpty, "\(path): \(example)")
                }
            }
        }
        #expect(parts == Set(DocumentWords.parts.keys))
        #expect(examples == Set(DocumentWords.examples.keys))
        let tags = document["tags"]?.items?.compactMap { $0["name"]?.string } ?? []
        #expect(Set(tags) == Set(DocumentWords.tags.keys))
        let text = String(decoding: try JSONEncoder().encode(document), as: UTF8.self)
        for name in DocumentWords.fields.keys { #expect(text.contains(#""\#(name)":"#), "\(name) is no field") }
    }

    @Test func itIsServedToMembersAndTheSameEveryTime() async throws {
        let gateway = try TestGateway()
        try await gateway.run { running in
            let stream = try await running.stream(gateway.device())
            let first = try await stream.ask("GET", "/api/openapi.json")
            #expect(first.status == 200 && first.headers["content-type"]?.hasPrefix("application/json") == true)
            let head = try await stream.ask("HEAD", "/api/openapi.json")
            #expect(head.status == 200 && head.headers["content-length"] == "\(first.body.utf8.count)")
            #expect(try await stream.ask("GET", "/api/openapi.json").body == first.body)
            let upgrade = try await stream.ask("GET", "/ws")
            let answers = try first.decode(JSONValue.self)["paths"]?["/ws"]?["get"]?["responses"]
            #expect(upgrade.status == 426)
            #expect(answers?["426"] != nil && answers?["101"] != nil)
        }
    }

    /// Who asks decides which of a route's answers come.
    enum Asking: CaseIterable { case admin, member, `operator` }

    @Test("every route answers what the document says", arguments: Asking.allCases)
    func answersAreAsDocumented(_ asking: Asking) async throws {
        let notes = try TestNotes([
            "House/Note.md": "---\ntags: [a]\n---\nto [[Other]]", "Second.md": "[[Note]] #b",
        ])
        let gateway = try TestGateway(place: .coordinator, files: TestFiles(), vault: notes.vault)
        try await gateway.run { running in
            let device = try await gateway.join("ana", role: asking == .member ? .member : .admin)
            _ = try await gateway.join("root", role: .admin)
            let victim = try await gateway.join("victim", label: "phone")
            _ = try await gateway.addAgent("victim")
            let network = try #require(gateway.network)
            let invitation = try await network.createInvitation(InvitationRequest(), by: .operator)
            let id = InvitationSummary(invitation, now: gateway.clock.now).id
            try await TestPlans.insert(id, into: gateway.database)
            func connect() async throws -> TestStream {
                asking == .operator ? try await running.operatorStream() : try await running.stream(device)
            }
            try await gateway.fillRegistry()
            let socket = try await running.webSocket(device)
            try await gateway.turn("one", on: socket)
            let paths = try await connect().ask("GET", "/api/openapi.json").decode(JSONValue.self)["paths"]
            var asked = AccessMatrixTests.table.map { route, expected -> (String, String, String?) in
                let parts = route.split(separator: " ").map(String.init)
                return (parts[0], parts[1].replacing(":**}", with: "}"), expected.body)
            }
            // What reads comes first, what removes last.
            asked.sort { Self.rank($0.0) < Self.rank($1.0) }
            var successes = 0
            for (method, path, body) in asked {
                let real = path.replacing(
                    "/sessions/{id}", with: path.contains("archives") ? "/sessions/{id}" : "/sessions/s"
                ).replacing("{handle}", with: "victim")
                    .replacing("{id}", with: id).replacing("{path}", with: "House/Note.md")
                    .replacing("{key}", with: victim.nodeID.hex).namingRows
                let query = path.hasSuffix("/backlinks") ? "?path=House/Note.md" : ""
                for suffix in Set([query, "?limit=0", "?limit=1&raw=1"]) where method == "GET" || suffix == query {
                    let stream = try await connect()
                    let response = try await stream.ask(method, real + suffix, body)
                    await stream.close()
                    if response.status < 300 { successes += 1 }
                    let operation = try #require(paths?[path]?[method.lowercased()], "\(method) \(path)")
                    let problems = Self.problems(response, operation)
                    #expect(problems.isEmpty, "\(method) \(real + suffix): \(response) \(problems)")
                }
            }
            // The test would see nothing if everything were refused.
            #expect(successes > (asking == .member ? 40 : 60), "\(successes)")
        }
    }

    private static func rank(_ method: String) -> Int { ["GET": 0, "PATCH": 1, "PUT": 1, "POST": 2][method] ?? 3 }

    // MARK: Comparing

    /// What of an answer the document doesn't say.
    static func problems(_ response: TestResponse, _ operation: JSONValue) -> [String] {
        guard let answer = operation["responses"]?["\(response.status)"] else { return ["no such status"] }
        let contents = answer["content"]?.fields ?? [:]
        // What goes on has no length, and isn't read here; a body in chunks is one that the test's client leaves on the stream.
        if response.headers["content-type"] == "text/event-stream" {
            return contents["text/event-stream"] == nil ? ["type text/event-stream"] : []
        }
        let isStreamed = response.headers["transfer-encoding"] == "chunked"
        guard !response.body.isEmpty || isStreamed else { return contents.isEmpty ? [] : ["no body"] }
        let type = response.headers["content-type"].map { String($0.prefix { $0 != ";" }) } ?? "none"
        let wildcard = String(type.prefix { $0 != "/" }) + "/*"
        guard let content = contents[type] ?? contents[wildcard] ?? contents["*/*"] else { return ["type \(type)"] }
        guard type == "application/json", let schema = content["schema"] else { return [] }
        guard let value = try? JSONDecoder().decode(JSONValue.self, from: Data(response.body.utf8)) else {
            return ["no JSON"]
        }
        if schema["$ref"] != nil {
            return value["error"]?["code"]?.string == nil ? ["no error"] : []
        }
        return problems(value, schema, at: "$")
    }

    private static func problems(_ value: JSONValue, _ schema: JSONValue, at place: String) -> [String] {
        if let choices = schema["anyOf"]?.items {
            return choices.contains { problems(value, $0, at: place).isEmpty } ? [] : ["\(place): none of the choices"]
        }
        switch (schema["type"]?.string, value) {
        case (nil, _), ("null", .null), ("boolean", .bool), ("number", .integer), ("number", .number): return []
        case ("string", .string):
            guard let texts = schema["enum"]?.items else { return [] }
            return texts.contains(value) ? [] : ["\(place): \(value)"]
        case ("integer", .integer(let number)):
            if case .integer(let least)? = schema["minimum"], number < least { return ["\(place): too small"] }
            if case .integer(let most)? = schema["maximum"], number > most { return ["\(place): too large"] }
            return []
        case ("array", .array(let items)):
            let element = schema["items"] ?? [:]
            return items.enumerated().flatMap { problems($1, element, at: "\(place)[\($0)]") }
        case ("object", .object(let fields)):
            let known = schema["properties"]?.fields ?? [:]
            let missing = (schema["required"]?.items ?? []).compactMap(\.string).filter { fields[$0] == nil }
            return missing.map { "\(place).\($0) is missing" }
                + fields.flatMap { key, field -> [String] in
                    guard let shape = known[key] ?? schema["additionalProperties"] else {
                        return ["\(place).\(key) is not documented"]
                    }
                    return problems(field, shape, at: "\(place).\(key)")
                }
        default: return ["\(place): \(value) is no \(schema)"]
        }
    }
}

extension JSONValue {
    fileprivate var fields: [String: JSONValue]? { if case .object(let fields) = self { fields } else { nil } }
    fileprivate var items: [JSONValue]? { if case .array(let items) = self { items } else { nil } }
}
