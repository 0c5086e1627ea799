internal import JSON
internal import Wire

// Which shape does a Codable type have? The type is asked itself: it decodes itself from a decoder that has no data, but
// notes each key and type it is asked for. So the document can't say anything else than what the code reads and writes.

/// A type whose shape can't be seen from how it decodes, e.g. because it looks at a value first.
protocol SchemaDescribed {
    static var schema: JSONSchema { get }
    /// Any value, for what holds one.
    static var example: Self { get }
}

extension JSONSchema {
    /// The shape of a type.
    ///
    /// - Throws: when the type refuses made-up values; then it has to be ``SchemaDescribed``.
    init(of type: any Decodable.Type) throws {
        self = try SchemaReader.read(type).schema
    }
}

/// A decoder that answers every question with a made-up value and notes the question.
private final class SchemaReader: Decoder {
    let codingPath: [any CodingKey] = []
    let userInfo: [CodingUserInfoKey: Any] = [:]
    fileprivate(set) var schema = JSONSchema.any

    /// The types whose shape is being read.
    private let outer: Set<ObjectIdentifier>

    private init(outer: Set<ObjectIdentifier>) { self.outer = outer }

    static func read<Value: Decodable>(
        _ type: Value.Type, within outer: Set<ObjectIdentifier> = []
    ) throws -> (value: Value, schema: JSONSchema) {
        if let described = Value.self as? any SchemaDescribed.Type, let example = described.example as? Value {
            return (example, described.schema)
        }
        if let null = JSONValue.null as? Value { return (null, .any) }
        if let (value, texts) = choice(of: Value.self) { return (value, .oneOf(texts)) }
        // A list of what holds the list ends here; its document says no more about it.
        if let list = Value.self as? any SchemaList.Type, outer.contains(ObjectIdentifier(list.element)),
            let empty = list.init() as? Value
        {
            return (empty, .array(.any))
        }
        guard !outer.contains(ObjectIdentifier(Value.self)) else { throw NotReadable(what: "\(Value.self) in itself") }
        let reader = SchemaReader(outer: outer.union([ObjectIdentifier(Value.self)]))
        let value = try Value(from: reader)
        return (value, Value.self is any SchemaOptional.Type ? .nullable(reader.schema) : reader.schema)
    }

    /// The shape of what may be absent, where no value is needed.
    private func shape<Value: Decodable>(_ type: Value.Type) throws -> JSONSchema {
        outer.contains(ObjectIdentifier(type)) ? .any : try Self.read(type, within: outer).schema
    }

    /// The first case of an enumeration of texts, and all of them.
    private static func choice<Value>(of type: Value.Type) -> (Value, [String])? {
        guard let texts = Value.self as? any (CaseIterable & RawRepresentable<String>).Type else { return nil }
        func open<Choice: CaseIterable & RawRepresentable<String>>(_: Choice.Type) -> (Value, [String])? {
            guard let first = Choice.allCases.first as? Value else { return nil }
            return (first, Choice.allCases.map(\.rawValue))
        }
        return open(texts)
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        if case .object = schema {} else { schema = .object([]) }
        return KeyedDecodingContainer(Keyed<Key>(reader: self))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        schema = .array(.any)
        return Unkeyed(reader: self)
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer { Single(reader: self) }

    fileprivate func note(_ name: String, _ property: JSONSchema, isRequired: Bool) {
        guard case .object(var properties) = schema, !properties.contains(where: { $0.name == name }) else { return }
        properties.append(JSONSchema.Property(name: name, schema: property, isRequired: isRequired))
        schema = .object(properties)
    }

    // MARK: Containers

    private struct Keyed<Key: CodingKey>: KeyedDecodingContainerProtocol {
        let reader: SchemaReader
        var codingPath: [any CodingKey] { [] }

        /// A dictionary asks which keys there are: one, and what it decodes for it is the shape of all.
        var allKeys: [Key] {
            guard let key = Key(stringValue: SchemaReader.anyKey), Key(intValue: 0) != nil else { return [] }
            return [key]
        }

        func contains(_ key: Key) -> Bool { true }
        func decodeNil(forKey key: Key) -> Bool {
            reader.note(key.stringValue, .any, isRequired: false)
            return true
        }

        func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
            let (value, schema) = try SchemaReader.read(type, within: reader.outer)
            if key.stringValue == SchemaReader.anyKey {
                reader.schema = .dictionary(schema)
            } else {
                reader.note(key.stringValue, schema, isRequired: true)
            }
            return value
        }

        func decodeIfPresent<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T? {
            reader.note(key.stringValue, .nullable(try reader.shape(type)), isRequired: false)
            return nil
        }

        func decodeIfPresent(_ type: Bool.Type, forKey key: Key) throws -> Bool? { try optional(type, key) }
        func decodeIfPresent(_ type: String.Type, forKey key: Key) throws -> String? { try optional(type, key) }
        func decodeIfPresent(_ type: Double.Type, forKey key: Key) throws -> Double? { try optional(type, key) }
        func decodeIfPresent(_ type: Float.Type, forKey key: Key) throws -> Float? { try optional(type, key) }
        func decodeIfPresent(_ type: Int.Type, forKey key: Key) throws -> Int? { try optional(type, key) }
        func decodeIfPresent(_ type: Int8.Type, forKey key: Key) throws -> Int8? { try optional(type, key) }
        func decodeIfPresent(_ type: Int16.Type, forKey key: Key) throws -> Int16? { try optional(type, key) }
        func decodeIfPresent(_ type: Int32.Type, forKey key: Key) throws -> Int32? { try optional(type, key) }
        func decodeIfPresent(_ type: Int64.Type, forKey key: Key) throws -> Int64? { try optional(type, key) }
        func decodeIfPresent(_ type: UInt.Type, forKey key: Key) throws -> UInt? { try optional(type, key) }
        func decodeIfPresent(_ type: UInt8.Type, forKey key: Key) throws -> UInt8? { try optional(type, key) }
        func decodeIfPresent(_ type: UInt16.Type, forKey key: Key) throws -> UInt16? { try optional(type, key) }
        func decodeIfPresent(_ type: UInt32.Type, forKey key: Key) throws -> UInt32? { try optional(type, key) }
        func decodeIfPresent(_ type: UInt64.Type, forKey key: Key) throws -> UInt64? { try optional(type, key) }

        private func optional<T: Decodable>(_ type: T.Type, _ key: Key) throws -> T? {
            reader.note(key.stringValue, .nullable(try reader.shape(type)), isRequired: false)
            return nil
        }

        func nestedContainer<Nested: CodingKey>(
            keyedBy type: Nested.Type, forKey key: Key
        ) throws -> KeyedDecodingContainer<Nested> {
            throw NotReadable(what: "a nested container")
        }
        func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
            throw NotReadable(what: "a nested container")
        }
        func superDecoder() throws -> any Decoder { reader }
        func superDecoder(forKey key: Key) throws -> any Decoder { reader }
    }

    private struct Unkeyed: UnkeyedDecodingContainer {
        let reader: SchemaReader
        var codingPath: [any CodingKey] { [] }
        var count: Int? { 1 }
        var currentIndex = 0
        var isAtEnd: Bool { currentIndex > 0 }

        mutating func decodeNil() throws -> Bool { false }
        mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
            currentIndex += 1
            let (value, schema) = try SchemaReader.read(type, within: reader.outer)
            reader.schema = .array(schema)
            return value
        }
        mutating func nestedContainer<Nested: CodingKey>(
            keyedBy type: Nested.Type
        ) throws -> KeyedDecodingContainer<Nested> { throw NotReadable(what: "a nested container") }
        mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
            throw NotReadable(what: "a nested container")
        }
        mutating func superDecoder() throws -> any Decoder { reader }
    }

    private struct Single: SingleValueDecodingContainer {
        let reader: SchemaReader
        var codingPath: [any CodingKey] { [] }

        func decodeNil() -> Bool { false }
        func decode(_ type: Bool.Type) throws -> Bool { value(false, .boolean) }
        func decode(_ type: String.Type) throws -> String { value("", .string()) }
        func decode(_ type: Double.Type) throws -> Double { value(0, .number) }
        func decode(_ type: Float.Type) throws -> Float { value(0, .number) }
        func decode(_ type: Int.Type) throws -> Int { value(0, .integer()) }
        func decode(_ type: Int8.Type) throws -> Int8 { value(0, .integer()) }
        func decode(_ type: Int16.Type) throws -> Int16 { value(0, .integer()) }
        func decode(_ type: Int32.Type) throws -> Int32 { value(0, .integer()) }
        func decode(_ type: Int64.Type) throws -> Int64 { value(0, .integer()) }
        func decode(_ type: UInt.Type) throws -> UInt { value(0, .integer(minimum: 0)) }
        func decode(_ type: UInt8.Type) throws -> UInt8 { value(0, .integer(minimum: 0, maximum: 255)) }
        func decode(_ type: UInt16.Type) throws -> UInt16 { value(0, .integer(minimum: 0, maximum: 65_535)) }
        func decode(_ type: UInt32.Type) throws -> UInt32 { value(0, .integer(minimum: 0)) }
        func decode(_ type: UInt64.Type) throws -> UInt64 { value(0, .integer(minimum: 0)) }
        func decode<T: Decodable>(_ type: T.Type) throws -> T {
            let (value, schema) = try SchemaReader.read(type, within: reader.outer)
            return self.value(value, schema)
        }

        private func value<T>(_ value: T, _ schema: JSONSchema) -> T {
            reader.schema = schema
            return value
        }
    }

    /// No field is called so.
    private static let anyKey = "\u{0}any"
}

private protocol SchemaList {
    static var element: any Any.Type { get }
    init()
}

extension Array: SchemaList {
    fileprivate static var element: any Any.Type { Element.self }
}

private protocol SchemaOptional {}

extension Optional: SchemaOptional {}

/// A type reads itself in a way that tells no shape.
struct NotReadable: Error {
    let what: String
}
