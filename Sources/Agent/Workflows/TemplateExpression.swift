internal import JSON

// What does an expression say? The parser makes a tree of words: values, names, what is reached through them, operators, filters and
// tests, with the precedence that Jinja gives them (https://jinja.palletsprojects.com/en/stable/templates/#expressions). There are no
// calls, so nothing can be reached that was not given. How large and how deep a tree gets is bounded, for whoever walks it.

/// What stands between `{{` and `}}`.
indirect enum TemplateExpression: Sendable, Equatable {
    struct Pair: Sendable, Equatable {
        var key: TemplateExpression
        var value: TemplateExpression
    }

    struct Comparison: Sendable, Equatable {
        /// `==`, `!=`, `<`, `<=`, `>`, `>=`, `in` or `not in`.
        var sign: String
        var other: TemplateExpression
    }

    struct Argument: Sendable, Equatable {
        var name: String?
        var value: TemplateExpression
    }

    case value(JSONValue)
    case name(String)
    case list([TemplateExpression])
    case dictionary([Pair])
    /// `a.b`, `a.0` and `a[…]`.
    case member(TemplateExpression, TemplateExpression)
    /// `a[from:to]`
    case slice(TemplateExpression, TemplateExpression?, TemplateExpression?)
    case negative(TemplateExpression)
    /// `+`, `-`, `*`, `/`, `//`, `%` or `~`.
    case arithmetic(String, TemplateExpression, TemplateExpression)
    case comparison(TemplateExpression, [Comparison])
    case not(TemplateExpression)
    case and(TemplateExpression, TemplateExpression)
    case or(TemplateExpression, TemplateExpression)
    case conditional(TemplateExpression, if: TemplateExpression, else: TemplateExpression?)
    case filter(TemplateExpression, String, [Argument])
    case test(TemplateExpression, String)

    /// Reads an expression without braces around it.
    init(_ text: String) throws(TemplateError) {
        try self.init(TemplateLexer(Array(text.utf8), from: 0, isBraced: false).tokens)
    }

    init(_ tokens: [TemplateToken]) throws(TemplateError) {
        var parser = TemplateParser(tokens)
        self = try parser.whole()
    }
}

private struct TemplateParser {
    /// Values, names and operators of one expression.
    private static let mostParts = 2_000
    /// What can stand within each other, from the whole to the innermost.
    private static let deepest = 200
    /// Brackets, `not` and `if` within each other.
    private static let mostNested = 40

    private let tokens: [TemplateToken]
    private var place = 0
    private var parts = 0
    private var depth = 0
    private var nested = 0

    init(_ tokens: [TemplateToken]) { self.tokens = tokens }

    mutating func whole() throws(TemplateError) -> TemplateExpression {
        guard !tokens.isEmpty else { throw TemplateError("\"{{ }}\" is empty") }
        let expression = try expression()
        guard place == tokens.count else { throw unexpected() }
        return expression
    }

    // MARK: Words

    private var next: TemplateToken? { place < tokens.count ? tokens[place] : nil }

    private func unexpected() -> TemplateError {
        switch next {
        case nil: TemplateError("an expression in \"{{ }}\" ends too early")
        case .name(let name): TemplateError("\"\(name.prefix(40))\" is not expected where it stands in \"{{ }}\"")
        case .value(let value):
            TemplateError("\(TemplateText.json(value).prefix(40)) is not expected where it stands in \"{{ }}\"")
        case .sign("("): TemplateError("there are no calls in \"{{ }}\", only filters such as \"x | length\"")
        case .sign(let sign): TemplateError("\"\(sign)\" is not expected where it stands in \"{{ }}\"")
        }
    }

    /// Takes a sign or a word like `and` when it comes next.
    private mutating func take(_ word: String) -> Bool {
        guard next == .sign(word) || next == .name(word) else { return false }
        place += 1
        return true
    }

    private mutating func take(oneOf words: [String]) -> String? {
        for word in words where take(word) { return word }
        return nil
    }

    private mutating func expect(_ word: String) throws(TemplateError) {
        guard take(word) else { throw unexpected() }
    }

    private mutating func made(
        _ expression: TemplateExpression, deepens: Bool = true
    ) throws(TemplateError) -> TemplateExpression {
        parts += 1
        if deepens { depth += 1 }
        guard parts <= Self.mostParts, depth <= Self.deepest else {
            throw TemplateError("an expression in \"{{ }}\" has too many parts")
        }
        return expression
    }

    // MARK: Grammar

    private mutating func expression() throws(TemplateError) -> TemplateExpression {
        nested += 1
        guard nested <= Self.mostNested else { throw TemplateError("an expression in \"{{ }}\" is nested too deep") }
        defer { nested -= 1 }
        let value = try disjunction()
        guard take("if") else { return value }
        let condition = try disjunction()
        let otherwise: TemplateExpression? = take("else") ? try expression() : nil
        return try made(.conditional(value, if: condition, else: otherwise))
    }

    private mutating func disjunction() throws(TemplateError) -> TemplateExpression {
        var left = try conjunction()
        while take("or") { left = try made(.or(left, try conjunction())) }
        return left
    }

    private mutating func conjunction() throws(TemplateError) -> TemplateExpression {
        var left = try negation()
        while take("and") { left = try made(.and(left, try negation())) }
        return left
    }

    private mutating func negation() throws(TemplateError) -> TemplateExpression {
        var count = 0
        while take("not") { count += 1 }
        var expression = try comparison()
        for _ in 0..<count { expression = try made(.not(expression)) }
        return expression
    }

    private mutating func comparison() throws(TemplateError) -> TemplateExpression {
        let left = try chain(0)
        var others: [TemplateExpression.Comparison] = []
        while true {
            if let sign = take(oneOf: ["==", "!=", "<=", ">=", "<", ">", "in"]) {
                others.append(.init(sign: sign, other: try chain(0)))
            } else if next == .name("not"), place + 1 < tokens.count, tokens[place + 1] == .name("in") {
                place += 2
                others.append(.init(sign: "not in", other: try chain(0)))
            } else {
                return others.isEmpty ? left : try made(.comparison(left, others))
            }
        }
    }

    /// What binds from the left, the loosest first.
    private static let chains = [["~"], ["+", "-"], ["*", "//", "/", "%"]]

    private mutating func chain(_ level: Int) throws(TemplateError) -> TemplateExpression {
        guard level < Self.chains.count else { return try filtered() }
        var left = try chain(level + 1)
        while let sign = take(oneOf: Self.chains[level]) {
            left = try made(.arithmetic(sign, left, try chain(level + 1)))
        }
        return left
    }

    private mutating func filtered() throws(TemplateError) -> TemplateExpression {
        var value = try signed()
        while true {
            if take("|") {
                guard case .name(let name)? = next else { throw unexpected() }
                place += 1
                guard let filter = TemplateFilter.named(name) else {
                    throw TemplateError("there is no filter \"\(name.prefix(40))\"")
                }
                let arguments = take("(") ? try arguments() : []
                guard filter.takes(arguments) else {
                    throw TemplateError("the filter \"\(name)\" takes other arguments: \(filter.usage)")
                }
                value = try made(.filter(value, name, arguments))
            } else if take("is") {
                let isNegated = take("not")
                guard case .name(let name)? = next, TemplateTests.names.contains(name) else {
                    throw TemplateError("behind \"is\" stands one of: \(TemplateTests.names.joined(separator: ", "))")
                }
                place += 1
                value = try made(.test(value, name))
                if isNegated { value = try made(.not(value)) }
            } else {
                return value
            }
        }
    }

    private mutating func arguments() throws(TemplateError) -> [TemplateExpression.Argument] {
        var all: [TemplateExpression.Argument] = []
        while !take(")") {
            if case .name(let name)? = next, place + 1 < tokens.count, tokens[place + 1] == .sign("=") {
                place += 2
                all.append(.init(name: name, value: try expression()))
            } else {
                guard all.allSatisfy({ $0.name == nil }) else { throw unexpected() }
                all.append(.init(name: nil, value: try expression()))
            }
            if !take(",") {
                try expect(")")
                break
            }
        }
        return all
    }

    private mutating func signed() throws(TemplateError) -> TemplateExpression {
        var minuses = 0
        while let sign = take(oneOf: ["-", "+"]) { if sign == "-" { minuses += 1 } }
        var value = try reached()
        for _ in 0..<minuses { value = try made(.negative(value)) }
        return value
    }

    private mutating func reached() throws(TemplateError) -> TemplateExpression {
        var value = try primary()
        while true {
            if take(".") {
                switch next {
                case .name(let name)?: value = try made(.member(value, .value(.string(name))))
                case .value(.integer(let number))?: value = try made(.member(value, .value(.integer(number))))
                default: throw unexpected()
                }
                place += 1
            } else if take("[") {
                var from: TemplateExpression?
                if next != .sign(":") { from = try expression() }
                if take(":") {
                    let to = next == .sign("]") ? nil : try expression()
                    value = try made(.slice(value, from, to))
                } else if let from {
                    value = try made(.member(value, from))
                }
                try expect("]")
            } else {
                return value
            }
        }
    }

    private static let reserved: Set<String> = ["and", "or", "not", "if", "else", "in", "is"]

    private mutating func primary() throws(TemplateError) -> TemplateExpression {
        switch next {
        case .value(let value)?:
            place += 1
            return try made(.value(value), deepens: false)
        case .name(let name)? where !Self.reserved.contains(name):
            place += 1
            switch name {
            case "true", "True": return try made(.value(.bool(true)), deepens: false)
            case "false", "False": return try made(.value(.bool(false)), deepens: false)
            case "none", "None", "null": return try made(.value(.null), deepens: false)
            default: return try made(.name(name), deepens: false)
            }
        case .sign("(")?:
            place += 1
            let value = try expression()
            try expect(")")
            return value
        case .sign("[")?:
            place += 1
            var items: [TemplateExpression] = []
            while !take("]") {
                items.append(try expression())
                if !take(",") {
                    try expect("]")
                    break
                }
            }
            return try made(.list(items))
        case .sign("{")?:
            place += 1
            var pairs: [TemplateExpression.Pair] = []
            while !take("}") {
                let key = try expression()
                try expect(":")
                pairs.append(.init(key: key, value: try expression()))
                if !take(",") {
                    try expect("}")
                    break
                }
            }
            return try made(.dictionary(pairs))
        default: throw unexpected()
        }
    }
}
