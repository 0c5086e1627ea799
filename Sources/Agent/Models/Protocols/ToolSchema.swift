internal import JSON

// Which parameters of a tool does a provider understand? Most take JSON schemas whose root is an object with properties; Google takes a
// smaller language, that OpenAPI has. A schema comes from a stranger's tool: whatever can't be said is left out, and nothing is
// followed without end.

enum ToolSchema {
    private static let deepest = 16

    /// For everybody but Google: an object at the root, and no alternatives there.
    static func plain(_ schema: JSONValue) -> JSONValue {
        var fields = schema.object ?? [:]
        for name in ["$schema", "$id", "anyOf", "oneOf", "allOf", "not", "enum", "if", "then", "else"] {
            fields[name] = nil
        }
        fields["type"] = "object"
        if fields["properties"]?.object == nil { fields["properties"] = .object([:]) }
        return .object(fields)
    }

    /// - Returns: nil when the tool takes nothing, which Google wants to be left out.
    static func google(_ schema: JSONValue) -> JSONValue? {
        let root = plain(schema)
        var definitions: [String: JSONValue] = [:]
        for section in ["$defs", "definitions"] {
            for (name, value) in root[section]?.object ?? [:] { definitions["#/\(section)/\(name)"] = value }
        }
        guard let cleaned = google(root, definitions, depth: 0).object, cleaned["properties"] != nil else { return nil }
        return .object(cleaned)
    }

    private static let kept: Set<String> = [
        "title", "description", "nullable", "minItems", "maxItems", "minimum", "maximum", "minLength", "maxLength",
        "pattern",
    ]
    private static let formats: [String: Set<String>] = [
        "string": ["enum", "date-time"], "integer": ["int32", "int64"], "number": ["float", "double"],
    ]

    private static func google(_ schema: JSONValue, _ definitions: [String: JSONValue], depth: Int) -> JSONValue {
        guard depth < deepest, var fields = schema.object else { return ["type": "string"] }
        if let reference = fields["$ref"]?.string {
            guard let target = definitions[reference]?.object else { return ["type": "string"] }
            fields["$ref"] = nil
            return google(.object(target.merging(fields) { $1 }), definitions, depth: depth + 1)
        }
        for part in fields["allOf"]?.array ?? [] {
            // The parts of a whole add up, as far as one object can hold them.
            let part = part["$ref"]?.string.flatMap { definitions[$0] } ?? part
            fields.merge(part.object ?? [:]) { own, other in
                guard let first = own.object, let second = other.object else { return own }
                return .object(first.merging(second) { own, _ in own })
            }
        }
        var result = fields.filter { kept.contains($0.key) }
        if let constant = fields["const"], fields["enum"] == nil { fields["enum"] = [constant] }
        var types = fields["type"]?.array?.compactMap(\.string) ?? [fields["type"]?.string].compactMap { $0 }
        var choices = fields["anyOf"]?.array ?? fields["oneOf"]?.array ?? []
        if types.contains("null") || choices.contains(where: { $0["type"]?.string == "null" }) {
            result["nullable"] = true
            types.removeAll { $0 == "null" }
            choices.removeAll { $0["type"]?.string == "null" }
        }
        if types.count > 1 {
            choices = types.map { type in .object(fields.merging(["type": .string(type)]) { $1 }) }
            types = []
        }
        if choices.count == 1, types.isEmpty, let only = google(choices[0], definitions, depth: depth + 1).object {
            return .object(only.merging(result) { $1 })
        }
        if choices.count > 1 {
            result["anyOf"] = .array(choices.map { google($0, definitions, depth: depth + 1) })
            return .object(result)
        }
        let type = types.first ?? (fields["properties"] != nil ? "object" : fields["items"] != nil ? "array" : "string")
        result["type"] = .string(type)
        if let format = fields["format"]?.string, formats[type]?.contains(format) == true {
            result["format"] = .string(format)
        }
        if type == "string", let values = fields["enum"]?.array?.compactMap(\.string), !values.isEmpty {
            result["enum"] = .array(values.map(JSONValue.string))
        }
        if type == "array" {
            result["items"] = google(fields["items"] ?? ["type": "string"], definitions, depth: depth + 1)
        }
        if type == "object", let properties = fields["properties"]?.object, !properties.isEmpty {
            result["properties"] = .object(properties.mapValues { google($0, definitions, depth: depth + 1) })
            let required = (fields["required"]?.array ?? []).filter { properties[$0.string ?? ""] != nil }
            if !required.isEmpty { result["required"] = .array(required) }
        }
        return .object(result)
    }
}
