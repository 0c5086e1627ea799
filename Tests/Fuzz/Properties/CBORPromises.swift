@testable import Certs

// A value that was read is written so that it reads as the same, holds no more than its input can, and is the only thing
// that its bytes say: neither fewer nor more bytes are a value.

enum CBORPromises {
    private static let limits = CBORLimits(bytes: 65_536)
    private static let tight = CBORLimits(bytes: 64, depth: 2, items: 8)

    static func check(_ input: [UInt8]) throws(BrokenPromise) -> Bool {
        let value = try? CBORReader.read(input, limits: limits)
        let withinTight = try? CBORReader.read(input, limits: tight)
        guard let value else {
            try promise(withinTight == nil, "tighter limits let through what wider ones refuse")
            return false
        }
        let size = Size(value)
        try promise(size.items <= min(input.count, limits.items), "\(size.items) items in \(input.count) bytes")
        try promise(size.bytes <= input.count, "\(size.bytes) bytes of text in \(input.count) bytes")
        try promise(size.depth <= limits.depth, "\(size.depth) deep")
        let fits = input.count <= tight.bytes && size.depth <= tight.depth && size.items <= tight.items
        try promise((withinTight != nil) == fits, "limits are not kept to the item")
        try checkWriting(of: value)
        for count in prefixes(of: input) {
            try promise(
                (try? CBORReader.read(input.prefix(count), limits: limits)) == nil,
                "\(count) of \(input.count) bytes are a value too")
        }
        try promise(
            (try? CBORReader.read(input + [0], limits: limits)) == nil, "a byte behind the value is a value too")
        return true
    }

    /// Writing and reading in turn changes nothing.
    static func checkWriting(of value: CBORValue) throws(BrokenPromise) {
        let written = value.encoded
        // A float of two bytes is written with eight.
        let again = try? CBORReader.read(written, limits: CBORLimits(bytes: 4 * limits.bytes))
        // Compared by their bytes: not-a-number is unequal to itself, and two spellings of a letter are equal.
        try promise(again?.encoded == written, "\(value) is read as \(String(describing: again))")
    }

    /// Every count below the whole for short inputs, some for long ones.
    private static func prefixes(of input: [UInt8]) -> StrideTo<Int> {
        stride(from: 0, to: input.count, by: max(1, input.count / 32))
    }

    private struct Size {
        var items = 1
        var depth = 0
        var bytes = 0

        init(_ value: CBORValue) {
            switch value {
            case .bytes(let content): bytes = content.count
            case .text(let text): bytes = text.utf8.count
            case .array(let values): add(values)
            case .map(let map):
                add(map.keys.map { CBORValue.text($0) })
                add(map.keys.compactMap { map[$0] })
                depth = max(depth, 1)
            case .unsigned, .negative, .bool, .null, .float: break
            }
        }

        private mutating func add(_ values: [CBORValue]) {
            depth = max(depth, 1)
            for size in values.map(Size.init) {
                items += size.items
                bytes += size.bytes
                depth = max(depth, 1 + size.depth)
            }
        }
    }
}
