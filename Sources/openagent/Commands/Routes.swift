internal import ArgumentParser
internal import JSON
internal import Wire

struct Routes: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List everything that the agent can be asked over REST, and who may ask.",
        discussion: "The same, with all that a route takes and answers: openagent api GET /api/openapi.json")

    /// What `--json` prints.
    private struct Listing: Codable, Sendable {
        struct Row: Codable, Sendable {
            var method: String
            var path: String
            /// `anyone`, `member` or `admin`.
            var role: String
            var summary: String
        }

        var routes: [Row]
    }

    @OptionGroup var target: TargetOptions

    func run() async throws {
        try await target.run {
            try Administration.answer(Self.routes(in: try await $0.get("/api/openapi.json", as: JSONValue.self).value))
        } show: { listing in
            var table = Table("METHOD", "PATH", "ROLE", "SUMMARY", texts: ["SUMMARY"])
            for route in listing.routes { table.add(route.method, route.path, route.role, route.summary) }
            table.show(empty: "The agent's document names no route.")
        }
    }

    private static func routes(in document: JSONValue) -> Listing {
        var rows: [Listing.Row] = []
        for (path, operations) in document["paths"]?.fields ?? [:] {
            for (method, operation) in operations.fields ?? [:] {
                rows.append(
                    .init(
                        method: method.uppercased(), path: path, role: operation["x-role"]?.string ?? "",
                        summary: operation["summary"]?.string ?? ""))
            }
        }
        return Listing(routes: rows.sorted { ($0.path, $0.method) < ($1.path, $1.method) })
    }
}

extension JSONValue {
    fileprivate var fields: [String: JSONValue]? { if case .object(let fields) = self { fields } else { nil } }
}
