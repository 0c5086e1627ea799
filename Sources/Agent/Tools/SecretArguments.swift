public import JSON
internal import Store

// What may people see of a call's arguments? All but what the tool itself says is secret: the account, the status of a running call and the
// question to its user show the same. A tool that nobody knows shows nothing: what is secret of it can't be said.

extension ToolDefinition {
    /// `arguments` without the values of secret parameters. Names stay, and so do references: they hold nothing secret.
    func withoutSecrets(_ arguments: [String: JSONValue]) -> [String: JSONValue] {
        guard !secretParameters.isEmpty else { return arguments }
        var shown = arguments
        for name in secretParameters { shown[name] = arguments[name].map(Self.hidden) }
        return shown
    }

    private static func hidden(_ value: JSONValue) -> JSONValue {
        switch value {
        case .null: .null
        case .string(let text): .string(Secret(text).redacted)
        case .object(let fields): .object(fields.mapValues(hidden))
        default: .string(Secret.marker)
        }
    }
}

extension Toolbox {
    public func shown(_ fullName: String, _ arguments: [String: JSONValue]) async -> [String: JSONValue] {
        if let inner = ToolSearch.unwrapped(fullName, arguments) {
            var shown = arguments
            if !inner.arguments.isEmpty {
                shown["args"] = .object(await self.shown(inner.fullName, inner.arguments))
            }
            return shown
        }
        guard let definition = await definition(fullName) else { return arguments.mapValues { _ in "…" } }
        return definition.withoutSecrets(arguments)
    }

    public func definition(_ fullName: String) async -> ToolDefinition? {
        await tools(isAdmin: true).first { $0.fullName == fullName }?.definition
    }
}
