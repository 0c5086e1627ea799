// What do these bytes say, and are they safe to read at all? The bytes come from strangers, so nothing is allocated for
// a length that the input cannot hold, nesting and the number of items are bounded, and whatever is ambiguous (a key
// twice, bytes after the end, an indefinite length, text that is not UTF-8) is refused. It does not know what the
// values mean.

/// How much a reader may be made to hold.
struct CBORLimits: Sendable {
    /// Longest input in bytes.
    var bytes: Int
    /// Most arrays and maps inside one another.
    var depth = 8
    /// Most data items altogether; an item of one byte costs far more than a byte in memory.
    var items = 4_096
}

/// Why bytes were refused.
enum CBORError: Error, Equatable {
    case tooLong
    case tooDeep
    case tooManyItems
    case endOfInput
    case trailingBytes
    case duplicateKey
    case keyIsNotText
    case invalidText
    /// A tag, an indefinite length, or a simple value outside the subset; its first byte.
    case unsupported(UInt8)
}

/// Reads one data item that fills its input exactly.
struct CBORReader {
    private let input: [UInt8]
    private let limits: CBORLimits
    private var position = 0
    private var items = 0

    static func read(_ input: some Collection<UInt8>, limits: CBORLimits) throws(CBORError) -> CBORValue {
        guard input.count <= limits.bytes else { throw .tooLong }
        var reader = CBORReader(input: Array(input), limits: limits)
        let value = try reader.value(depth: 0)
        guard reader.position == reader.input.count else { throw .trailingBytes }
        return value
    }

    private init(input: [UInt8], limits: CBORLimits) {
        self.input = input
        self.limits = limits
    }

    private var remaining: Int { input.count - position }

    private mutating func value(depth: Int) throws(CBORError) -> CBORValue {
        items += 1
        guard items <= limits.items else { throw .tooManyItems }
        let head = try bigEndian(bytes: 1)
        let first = UInt8(head)
        let major = first >> 5
        if major == 7 { return try simpleOrFloat(first) }
        let argument = try argument(first)
        switch major {
        case 0: return .unsigned(argument)
        case 1: return .negative(argument)
        case 2: return .bytes(Array(try take(argument)))
        case 3: return .text(try text(argument))
        case 4: return .array(try array(argument, depth: depth + 1))
        case 5: return .map(try map(argument, depth: depth + 1))
        default: throw .unsupported(first)
        }
    }

    private mutating func argument(_ first: UInt8) throws(CBORError) -> UInt64 {
        switch first & 31 {
        case let small where small < 24: UInt64(small)
        case 24: try bigEndian(bytes: 1)
        case 25: try bigEndian(bytes: 2)
        case 26: try bigEndian(bytes: 4)
        case 27: try bigEndian(bytes: 8)
        default: throw .unsupported(first)
        }
    }

    private mutating func simpleOrFloat(_ first: UInt8) throws(CBORError) -> CBORValue {
        switch first {
        case 0xf4: .bool(false)
        case 0xf5: .bool(true)
        case 0xf6: .null
        case 0xf9: .float(Self.half(UInt16(try bigEndian(bytes: 2))))
        case 0xfa: .float(Double(Float(bitPattern: UInt32(try bigEndian(bytes: 4)))))
        case 0xfb: .float(Double(bitPattern: try bigEndian(bytes: 8)))
        default: throw .unsupported(first)
        }
    }

    private mutating func text(_ count: UInt64) throws(CBORError) -> String {
        guard let text = String(validating: try take(count), as: UTF8.self) else { throw .invalidText }
        return text
    }

    private mutating func array(_ count: UInt64, depth: Int) throws(CBORError) -> [CBORValue] {
        guard depth <= limits.depth else { throw .tooDeep }
        guard count <= UInt64(remaining) else { throw .endOfInput }
        guard count <= UInt64(limits.items - items) else { throw .tooManyItems }
        var values: [CBORValue] = []
        values.reserveCapacity(Int(count))
        for _ in 0..<count { values.append(try value(depth: depth)) }
        return values
    }

    private mutating func map(_ count: UInt64, depth: Int) throws(CBORError) -> CBORMap {
        guard depth <= limits.depth else { throw .tooDeep }
        guard count <= UInt64(remaining / 2) else { throw .endOfInput }
        guard count <= UInt64((limits.items - items) / 2) else { throw .tooManyItems }
        var map = CBORMap()
        for _ in 0..<count {
            guard case .text(let key) = try value(depth: depth) else { throw .keyIsNotText }
            guard map.insert(key, try value(depth: depth)) else { throw .duplicateKey }
        }
        return map
    }

    private mutating func take(_ count: UInt64) throws(CBORError) -> ArraySlice<UInt8> {
        guard count <= UInt64(remaining) else { throw .endOfInput }
        defer { position += Int(count) }
        return input[position..<position + Int(count)]
    }

    private mutating func bigEndian(bytes: Int) throws(CBORError) -> UInt64 {
        guard bytes <= remaining else { throw .endOfInput }
        defer { position += bytes }
        return input[position..<position + bytes].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// IEEE 754 binary16, by its definition: `Float16` does not exist on every platform.
    private static func half(_ bits: UInt16) -> Double {
        let exponent = Int(bits >> 10 & 31)
        let mantissa = Double(bits & 1_023)
        let magnitude: Double =
            switch exponent {
            case 0: Double(sign: .plus, exponent: -24, significand: mantissa)
            case 31: mantissa == 0 ? .infinity : .nan
            default: Double(sign: .plus, exponent: exponent - 15, significand: 1 + mantissa / 1_024)
            }
        return bits >> 15 == 0 ? magnitude : -magnitude
    }
}
