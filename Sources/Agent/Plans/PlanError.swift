internal import Foundation
internal import Store

// Why is a task or workflow refused, and which words may name one?

/// What is wrong with a wish about tasks or workflows.
public enum PlanError: Error, Equatable, CustomStringConvertible {
    case invalid(String)
    /// Nothing is meant by this word.
    case notFound(String)
    case nameTaken(String)
    /// The word is the beginning of several ids, whose names these are.
    case ambiguous(String, [String])
    case graph([GraphProblem])
    /// It cannot be done with the thing as it is.
    case conflict(String)
    /// So much waits already that nothing more is taken.
    case full(String)

    /// Problems of a graph that one message names.
    static let mostProblems = 100

    public var description: String {
        switch self {
        case .invalid(let text), .conflict(let text), .full(let text): text
        case .notFound(let word): "nothing here is called '\(word.prefix(PlanText.longestName))'"
        case .nameTaken(let name): "the name '\(name)' is taken"
        case .ambiguous(let word, let names):
            "'\(word)' is the beginning of several ids: those of \(names.map { "'\($0)'" }.joined(separator: ", "))"
        case .graph(let problems):
            "graph validation failed: "
                + problems.prefix(Self.mostProblems).map(\.description).joined(separator: "; ")
                + (problems.count > Self.mostProblems ? "; and \(problems.count - Self.mostProblems) more" : "")
        }
    }
}

enum PlanText {
    /// Unicode scalars of a name.
    static let longestName = 128
    /// Names of what the agent does for itself.
    static let reserved: Set<String> = ["dream-mode", "manager-review", "auto-update"]

    /// A name without white space around it.
    static func name(_ text: String) throws(PlanError) -> String {
        let name = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !name.isEmpty else { throw .invalid("'name' is missing") }
        try require(name, "name", longest: longestName, isLine: true)
        guard !reserved.contains(name.lowercased()) else {
            throw .invalid("the name '\(name)' is kept for what the agent does for itself")
        }
        return name
    }

    /// - Parameter isLine: control characters are refused, line breaks as well.
    static func require(_ text: String, _ field: String, longest: Int, isLine: Bool) throws(PlanError) {
        guard text.unicodeScalars.count <= longest else {
            throw .invalid("'\(field)' is longer than \(longest) characters")
        }
        // The database would end a text there.
        guard !text.utf8.contains(0) else { throw .invalid("'\(field)' has a zero byte") }
        guard !isLine || !text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            throw .invalid("'\(field)' has control characters")
        }
    }
}

extension PlanMatch {
    /// The id that is meant.
    func id(of word: String) throws(PlanError) -> String {
        switch self {
        case .one(let id): return id
        case .none: throw .notFound(word)
        case .several(let names): throw .ambiguous(word, names)
        }
    }
}

/// Runs `body` and says in domain terms what the rows refused.
func refusing<Value>(
    isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Value
) async throws -> Value {
    do { return try await body() } catch let error as PlanStorageError {
        switch error {
        case .nameTaken(let name): throw PlanError.nameTaken(name)
        case .tooMany(let limit):
            throw PlanError.conflict("there are \(limit) already, which is as many as there may be")
        case .running: throw PlanError.conflict("it runs already")
        }
    }
}
