internal import JSON
internal import Wire

// What shape has a body? The subset of JSON Schema 2020-12 that OpenAPI 3.1 documents of this gateway need.

/// The shape of a JSON value.
indirect enum JSONSchema: Sendable, Equatable {
    /// Any value.
    case any
    case boolean
    case integer(minimum: Int64? = nil, maximum: Int64? = nil)
    case number
    case string(format: String? = nil)
    /// One of these texts.
    case oneOf([String])
    case array(JSONSchema)
    /// Any keys, values of one shape.
    case dictionary(JSONSchema)
    case object([Property])
    case nullable(JSONSchema)

    struct Property: Sendable, Equatable {
        var name: String
        var schema: JSONSchema
        var isRequired: Bool
    }

    /// As it stands in a document.
    var json: JSONValue {
        switch self {
        case .any: [:]
        case .boolean: ["type": "boolean"]
        case .integer(let minimum, let maximum):
            .object(
                ["type": "integer"].merging(
                    [("minimum", minimum), ("maximum", maximum)].compactMap { key, value in
                        value.map { (key, .integer($0)) }
                    }
                ) { $1 })
        case .number: ["type": "number"]
        case .string(let format?): ["type": "string", "format": .string(format)]
        case .string: ["type": "string"]
        case .oneOf(let texts): ["type": "string", "enum": .array(texts.map(JSONValue.string))]
        case .array(let element): ["type": "array", "items": element.json]
        case .dictionary(let value): ["type": "object", "additionalProperties": value.json]
        case .object(let properties):
            [
                "type": "object",
                "properties": .object(Dictionary(properties.map { ($0.name, $0.schema.json) }) { first, _ in first }),
                "required": .array(properties.filter(\.isRequired).map { .string($0.name) }),
            ]
        case .nullable(.any): [:]
        case .nullable(let schema): ["anyOf": [schema.json, ["type": "null"]]]
        }
    }
}
