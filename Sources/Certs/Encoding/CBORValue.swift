// What can a certificate, a ticket or an RPC frame say? A small part of CBOR (RFC 8949): integers, floats, text, bytes,
// arrays and maps with text keys. Tags, indefinite lengths and other keys have no value here because nothing uses them.

/// One CBOR data item of the subset in use.
enum CBORValue: Sendable, Equatable {
    case unsigned(UInt64)
    /// The number −1 − n.
    case negative(UInt64)
    case bytes([UInt8])
    case text(String)
    case array([CBORValue])
    case map(CBORMap)
    case bool(Bool)
    case null
    case float(Double)

    /// The number as a floating point value, for times, which writers send as floats or as integers.
    var number: Double? {
        switch self {
        case .unsigned(let value): Double(value)
        case .negative(let value): -1 - Double(value)
        case .float(let value): value
        default: nil
        }
    }
}

/// A map with text keys. It keeps the order in which keys were put in, for writing; order has no part in equality.
struct CBORMap: Sendable {
    private(set) var keys: [String] = []
    private var values: [String: CBORValue] = [:]

    subscript(key: String) -> CBORValue? { values[key] }

    /// Adds an entry unless the key is there already.
    ///
    /// - Returns: whether the entry was added.
    mutating func insert(_ key: String, _ value: CBORValue) -> Bool {
        guard values.updateValue(value, forKey: key) == nil else { return false }
        keys.append(key)
        return true
    }
}

extension CBORMap: Equatable {
    static func == (left: CBORMap, right: CBORMap) -> Bool { left.values == right.values }
}

extension CBORMap: ExpressibleByDictionaryLiteral {
    init(dictionaryLiteral elements: (String, CBORValue)...) {
        for (key, value) in elements { _ = insert(key, value) }
    }
}
