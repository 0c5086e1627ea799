internal import JSON

// How is an object of the Bot API read? Field by field, and without trust: a field that is missing, or that is something else than
// was promised, is nil, so that one odd update never keeps others from being read.

/// A JSON value of the Bot API.
struct TelegramObject: Sendable, Equatable {
    let value: JSONValue

    init(_ value: JSONValue) { self.value = value }

    /// A field of an object; nil when it is absent or null.
    subscript(name: String) -> TelegramObject? {
        guard let field = value[name], field != .null else { return nil }
        return TelegramObject(field)
    }

    func text(_ name: String) -> String? { value[name]?.string }

    func number(_ name: String) -> Int64? {
        if case .integer(let number)? = value[name] { number } else { nil }
    }

    func isTrue(_ name: String) -> Bool { value[name] == .bool(true) }

    func list(_ name: String) -> [TelegramObject] { self[name]?.elements ?? [] }

    var elements: [TelegramObject] {
        if case .array(let elements) = value { elements.map(TelegramObject.init) } else { [] }
    }
}
