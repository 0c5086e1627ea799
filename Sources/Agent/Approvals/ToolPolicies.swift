internal import Foundation
public import Store

// How is the policy of tools read and changed? Over its rows; each change leaves an audit row with what held before and what holds
// now, and whether that lets tools do more. It is read anew for each call: a rule that was narrowed holds at once.

/// The policy of an agent's tools.
public struct ToolPolicies: Sendable {
    private let repository: ToolPolicyRepository
    private let now: @Sendable () -> Double

    /// - Parameter now: Unix seconds.
    public init(_ repository: ToolPolicyRepository, now: @escaping @Sendable () -> Double) {
        self.repository = repository
        self.now = now
    }

    /// Every line, in the order of the patterns.
    public func lines() async throws -> [ToolPolicyRecord] { try await repository.all() }

    /// What holds for a tool.
    public func rule(for tool: OfferedTool) async throws -> ToolRule {
        ToolPolicy.rule(for: tool, in: try await repository.all())
    }

    /// Puts a line in the place of that of the same pattern.
    ///
    /// - Returns: the line, and whether it is new.
    /// - Throws: ``ToolPolicyError``.
    public func set(
        _ pattern: String, to rule: ToolRule, by actor: Registry.Actor
    ) async throws -> (line: ToolPolicyRecord, isNew: Bool) {
        let pattern = try ToolPolicy.checked(pattern)
        let (before, after) = try await change(pattern, to: rule, by: actor)
        guard let line = after.first(where: { $0.pattern == pattern }) else { throw ToolPolicyError.missing(pattern) }
        return (line, !before.contains { $0.pattern == pattern })
    }

    /// Takes a line away: what is more general holds then.
    ///
    /// - Throws: ``ToolPolicyError``.
    public func remove(_ pattern: String, by actor: Registry.Actor) async throws {
        let pattern = try ToolPolicy.checked(pattern)
        _ = try await change(pattern, to: nil, by: actor)
    }

    private func change(
        _ pattern: String, to rule: ToolRule?, by actor: Registry.Actor
    ) async throws -> (before: [ToolPolicyRecord], after: [ToolPolicyRecord]) {
        let now = now()
        return try await repository.set(pattern, to: rule, by: actor.name, at: now) { before, after in
            var record = AuditRecord(
                at: now, actor: actor.name, actorDevice: actor.device,
                action: rule == nil ? "tool_policy.remove" : "tool_policy.set", subject: pattern)
            record.details = Self.details(pattern, before, after)
            return record
        }
    }

    /// What held for what the pattern names, and what holds now.
    private static func details(
        _ pattern: String, _ before: [ToolPolicyRecord], _ after: [ToolPolicyRecord]
    ) -> String? {
        struct Details: Encodable {
            var before: String
            var after: String
            var widens: Bool
        }
        let (old, new) = (held(pattern, before), held(pattern, after))
        // What is usual depends on the tool. Only 'deny' is narrower for sure, and 'allow' wider or the same.
        let widens =
            switch (old, new) {
            case (let old?, let new?): new > old
            case (nil, let new?): new == .allow
            case (let old?, nil): old != .allow
            case (nil, nil): false
            }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let details = Details(before: old?.rawValue ?? "usual", after: new?.rawValue ?? "usual", widens: widens)
        return (try? encoder.encode(details)).map { String(decoding: $0, as: UTF8.self) }
    }

    private static func held(_ pattern: String, _ lines: [ToolPolicyRecord]) -> ToolRule? {
        if let own = lines.first(where: { $0.pattern == pattern }) { return own.rule }
        return lines.filter { $0.pattern.last == "*" && pattern.utf8.starts(with: $0.pattern.utf8.dropLast()) }
            .max { $0.pattern.utf8.count < $1.pattern.utf8.count }?.rule
    }
}
