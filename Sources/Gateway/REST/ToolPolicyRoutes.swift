internal import Agent
internal import HTTPTypes
internal import Hummingbird
internal import Store
internal import Wire

// What may the agent's tools do, and who says so? Everybody may read what holds; admins change it, and everybody hears of it.

enum ToolPolicyRoutes {
    private static let one = "/api/tool-policies/{pattern}"

    /// - Parameters:
    ///   - policies: nil when the agent has none.
    ///   - tools: what tools there are for an administrator, or for anybody else.
    static func routes(
        _ policies: ToolPolicies?, tools: @escaping @Sendable (_ isAdmin: Bool) async -> [OfferedTool]
    ) -> [Route] {
        [
            .member(.get, "/api/tools", .tools) { request, _, caller in
                let asked = try request.page(by: String.self)
                let all = await tools(caller.role == .admin).sorted { $0.fullName < $1.fullName }
                let lines = try await policies?.lines() ?? []
                let (page, next) = try asked.page(ofAll: all, key: \.fullName) { $0.fullName > $1 }
                return try JSON.response(ToolsBody(tools: page.map { ToolBody($0, lines) }, nextCursor: next))
            },
            .member(.get, "/api/tool-policies", .toolPolicies) { request, _, _ in
                let asked = try request.page(by: String.self)
                let (page, next) = try asked.page(
                    ofAll: try await present(policies).lines(), key: \.pattern
                ) { $1.utf8.lexicographicallyPrecedes($0.pattern.utf8) }
                return try JSON.response(ToolPoliciesBody(policies: page.map(ToolPolicyBody.init), nextCursor: next))
            },
            .admin(.put, one, .setToolPolicy, announces: .updated(.toolPolicy, "pattern", to: .everybody)) {
                request, context, caller in
                let wanted = try await request.decode(as: ToolPolicyWrite.self, context: context)
                guard let rule = ToolRule(rawValue: wanted.rule) else {
                    throw ErrorResponse.invalid("'rule' is one of allow, ask, deny.")
                }
                let pattern = try context.pathPart("pattern")
                return try await answering {
                    let (line, isNew) = try await present(policies).set(pattern, to: rule, by: caller.actor)
                    return try JSON.response(
                        ToolPolicyChanged(ok: true, policy: ToolPolicyBody(line)), status: isNew ? .created : .ok)
                }
            },
            .admin(.delete, one, .removeToolPolicy, announces: .deleted(.toolPolicy, "pattern", to: .everybody)) {
                _, context, caller in
                let pattern = try context.pathPart("pattern")
                return try await answering {
                    try await present(policies).remove(pattern, by: caller.actor)
                    return try JSON.response(ToolPolicyRemoved(ok: true))
                }
            },
        ]
    }

    private static func present(_ policies: ToolPolicies?) throws(ErrorResponse) -> ToolPolicies {
        guard let policies else {
            throw ErrorResponse(
                status: .serviceUnavailable, code: .unavailable, message: "This agent has no policy of tools.")
        }
        return policies
    }

    private static func answering(_ body: () async throws -> Response) async throws -> Response {
        do { return try await body() } catch let error as ToolPolicyError {
            switch error {
            case .missing: throw ErrorResponse(.notFound, error.description)
            case .tooMany: throw ErrorResponse(.conflict, error.description, hint: "Remove one of them.")
            case .badPattern: throw ErrorResponse.invalid(error.description)
            }
        }
    }
}

extension ToolPolicyBody {
    fileprivate init(_ line: ToolPolicyRecord) {
        self.init(
            pattern: line.pattern, rule: line.rule.rawValue, updatedAt: line.updatedAt, updatedBy: line.updatedBy)
    }
}

extension ToolBody {
    fileprivate init(_ tool: OfferedTool, _ lines: [ToolPolicyRecord]) {
        let definition = tool.definition
        self.init(
            name: tool.fullName, server: tool.server, description: definition.description,
            effect: definition.effect.rawValue, needsAdmin: definition.needsAdmin,
            rule: ToolPolicy.rule(for: tool, in: lines).rawValue,
            pattern: ToolPolicy.line(for: tool, in: lines)?.pattern)
    }
}
