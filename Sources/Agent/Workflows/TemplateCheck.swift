internal import JSON

// What can be said of a template before it runs? Whether it can be read at all, by the same parser that reads it then, and whether it
// speaks of names and blocks that there are. What is in them is known when it runs.

/// Looks at templates as texts.
enum TemplateCheck {
    /// What an expression may begin with.
    static let roots: Set<String> = ["inputs", "vars", "nodes", "now", "run_id"]

    /// - Returns: what is wrong with the first expression that can't be read; nil: nothing.
    static func problem(of text: String) -> String? {
        do throws(TemplateError) {
            _ = try Template(text)
            return nil
        } catch { return error.description }
    }

    /// Looks also at what the expressions speak of.
    ///
    /// - Parameters:
    ///   - isExpression: the text is an expression where it has no braces.
    ///   - isNode: whether there is a block of this id.
    static func problem(of text: String, isExpression: Bool = false, isNode: (String) -> Bool) -> String? {
        do throws(TemplateError) {
            if isExpression, !text.contains("{{") { return problem(in: try TemplateExpression(text), isNode) }
            for case .expression(let expression) in try Template(text).pieces {
                if let problem = problem(in: expression, isNode) { return problem }
            }
            return nil
        } catch { return error.description }
    }

    private static func problem(in expression: TemplateExpression, _ isNode: (String) -> Bool) -> String? {
        func first(_ parts: [TemplateExpression?]) -> String? {
            for case let part? in parts { if let problem = problem(in: part, isNode) { return problem } }
            return nil
        }
        switch expression {
        case .value: return nil
        case .name(let name):
            return roots.contains(name)
                ? nil : "there is no \"\(name.prefix(64))\", but \(roots.sorted().joined(separator: ", "))"
        case .member(.name("nodes"), .value(.string(let id))):
            return isNode(id) ? nil : "there is no node \"\(id.prefix(128))\""
        case .list(let items): return first(items)
        case .dictionary(let pairs): return first(pairs.flatMap { [$0.key, $0.value] })
        case .member(let base, let key): return first([base, key])
        case .slice(let base, let from, let to): return first([base, from, to])
        case .negative(let value), .not(let value), .test(let value, _): return first([value])
        case .arithmetic(_, let left, let right), .and(let left, let right), .or(let left, let right):
            return first([left, right])
        case .comparison(let left, let others): return first([left] + others.map(\.other))
        case .conditional(let value, let condition, let otherwise): return first([value, condition, otherwise])
        case .filter(let value, _, let arguments): return first([value] + arguments.map(\.value))
        }
    }
}
