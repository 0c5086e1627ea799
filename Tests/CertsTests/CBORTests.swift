import Testing

@testable import Certs

@Suite struct CBORTests {
    static func read(_ bytes: [UInt8], limits: CBORLimits = CBORLimits(bytes: 65_536)) -> Result<CBORValue, CBORError> {
        do throws(CBORError) { return .success(try CBORReader.read(bytes, limits: limits)) } catch {
            return .failure(error)
        }
    }

    static let values: [(bytes: [UInt8], value: CBORValue)] = [
        ([0x00], .unsigned(0)), ([0x17], .unsigned(23)), ([0x18, 24], .unsigned(24)),
        ([0x19, 0x01, 0x00], .unsigned(256)), ([0x1a, 0, 1, 0, 0], .unsigned(65_536)),
        ([0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], .unsigned(.max)),
        ([0x20], .negative(0)), ([0x38, 0x63], .negative(99)),
        ([0x40], .bytes([])), ([0x43, 1, 2, 3], .bytes([1, 2, 3])),
        ([0x60], .text("")), ([0x62, 0xc3, 0xab], .text("ë")),
        ([0x80], .array([])), ([0x82, 1, 0xf6], .array([.unsigned(1), .null])),
        ([0xa0], .map([:])), ([0xa1, 0x61, 0x61, 0x01], .map(["a": .unsigned(1)])),
        ([0xf4], .bool(false)), ([0xf5], .bool(true)),
        ([0xfb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0], .float(1.5)),
    ]

    @Test(arguments: values) func valuesAreReadAndWrittenInShortestForm(bytes: [UInt8], value: CBORValue) {
        #expect(Self.read(bytes) == .success(value))
        #expect(value.encoded == bytes)
    }

    @Test(
        arguments: [
            ([0xf9, 0x3e, 0x00], 1.5), ([0xf9, 0x00, 0x01], 5.960464477539063e-8), ([0xf9, 0x7b, 0xff], 65_504),
            ([0xf9, 0xc4, 0x00], -4), ([0xf9, 0x7c, 0x00], .infinity), ([0xfa, 0x3f, 0xc0, 0, 0], 1.5),
            ([0xfa, 0x47, 0xc3, 0x50, 0x00], 100_000),
        ] as [([UInt8], Double)])
    func shorterFloatsAreRead(bytes: [UInt8], value: Double) {
        #expect(Self.read(bytes) == .success(.float(value)))
    }

    @Test func integersMayBeLongerThanNeeded() {
        #expect(Self.read([0x19, 0x00, 0x05]) == .success(.unsigned(5)))
        #expect(Self.read([0xb9, 0x00, 0x00]) == .success(.map([:])))
    }

    @Test(
        arguments: [
            ([], .endOfInput), ([0x18], .endOfInput), ([0x43, 1, 2], .endOfInput), ([0x81], .endOfInput),
            ([0x00, 0x00], .trailingBytes), ([0xa2, 0x61, 0x61, 1, 0x61, 0x61, 2], .duplicateKey),
            ([0xa1, 0x01, 0x02], .keyIsNotText), ([0xa1, 0x41, 0x61, 0x02], .keyIsNotText),
            ([0x61, 0xff], .invalidText), ([0x63, 0xed, 0xa0, 0x80], .invalidText),
            ([0x5f, 0x41, 0x61, 0xff], .unsupported(0x5f)), ([0x7f, 0xff], .unsupported(0x7f)),
            ([0x9f, 0xff], .unsupported(0x9f)), ([0xbf, 0xff], .unsupported(0xbf)), ([0xff], .unsupported(0xff)),
            ([0xc0, 0x00], .unsupported(0xc0)), ([0xf7], .unsupported(0xf7)), ([0xf8, 0x20], .unsupported(0xf8)),
            ([0x1c], .unsupported(0x1c)), ([0xe0], .unsupported(0xe0)),
        ] as [([UInt8], CBORError)])
    func whatIsOutsideTheSubsetIsRefused(bytes: [UInt8], error: CBORError) {
        #expect(Self.read(bytes) == .failure(error))
    }

    /// A length is believed only as far as the input reaches: this would need exabytes.
    @Test(arguments: [0x5b, 0x7b, 0x9b, 0xbb] as [UInt8]) func announcedLengthsTakeNoMemory(head: UInt8) {
        #expect(Self.read([head] + [UInt8](repeating: 0xff, count: 8)) == .failure(.endOfInput))
        #expect(Self.read([head] + [0x7f] + [UInt8](repeating: 0xff, count: 7)) == .failure(.endOfInput))
    }

    @Test func depthIsBounded() {
        let limits = CBORLimits(bytes: 1_000, depth: 8)
        let deep = { (count: Int) in [UInt8](repeating: 0x81, count: count) + [0x00] }
        #expect(throws: Never.self) { try Self.read(deep(8), limits: limits).get() }
        #expect(Self.read(deep(9), limits: limits) == .failure(.tooDeep))
        #expect(Self.read([UInt8](repeating: 0x81, count: 1_000), limits: limits) == .failure(.tooDeep))
    }

    @Test func itemsAndBytesAreBounded() {
        let items = { (count: Int) in CBORValue.array(Array(repeating: .null, count: count)).encoded }
        let limits = CBORLimits(bytes: 200, items: 100)
        #expect(throws: Never.self) { try Self.read(items(99), limits: limits).get() }
        #expect(Self.read(items(100), limits: limits) == .failure(.tooManyItems))
        #expect(throws: Never.self) {
            try Self.read(CBORValue.bytes(Array(repeating: 0, count: 198)).encoded, limits: limits).get()
        }
        #expect(
            Self.read(CBORValue.bytes(Array(repeating: 0, count: 199)).encoded, limits: limits) == .failure(.tooLong))
    }

    @Test func everyTruncationOfAValueIsRefused() {
        let whole = CBORValue.map([
            "a": .array([.unsigned(300), .text("ë"), .bytes([1, 2])]), "b": .float(1.25), "c": .map(["d": .bool(true)]),
        ]).encoded
        #expect(throws: Never.self) { try Self.read(whole).get() }
        for count in 0..<whole.count {
            #expect(Self.read(Array(whole.prefix(count))) == .failure(.endOfInput), "\(count) of \(whole.count) bytes")
        }
    }
}
