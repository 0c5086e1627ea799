import Foundation
import JSON
import Testing

@testable import Gateway
@testable import Wire

// Is the shape that is read from a type the one that it has?

@Suite struct SchemaReaderTests {
    private enum Choice: String, Codable, CaseIterable { case one, two }

    private struct Inner: Codable {
        var flag: Bool
        var byte: UInt8
    }

    private struct Odd: Codable {
        var text: String
        var number: Double
        var maybe: Int?
        var maybeText: String?
        var inner: Inner
        var maybeInner: Inner?
        var list: [Inner]
        var lists: [[Int]]
        var holes: [String?]
        var names: [String: Inner]
        var choice: Choice
        var maybeChoice: Choice?
        var free: JSONValue
        var maybeFree: JSONValue?
        var frees: [String: JSONValue]

        private enum CodingKeys: String, CodingKey {
            case text, number, maybe, inner, list, lists, holes, names, choice, free, frees
            case maybeText = "maybe_text"
            case maybeInner = "maybe_inner"
            case maybeChoice = "maybe_choice"
            case maybeFree = "maybe_free"
        }
    }

    private func property(_ name: String, _ schema: JSONSchema, isRequired: Bool = true) -> JSONSchema.Property {
        .init(name: name, schema: schema, isRequired: isRequired)
    }

    @Test func everyKindOfFieldIsSeen() throws {
        guard case .object(let properties) = try JSONSchema(of: Odd.self) else {
            Issue.record("no object")
            return
        }
        let inner = JSONSchema.object([
            property("flag", .boolean), property("byte", .integer(minimum: 0, maximum: 255)),
        ])
        let expected: [JSONSchema.Property] = [
            property("text", .string()), property("number", .number),
            property("maybe", .nullable(.integer()), isRequired: false),
            property("maybe_text", .nullable(.string()), isRequired: false), property("inner", inner),
            property("maybe_inner", .nullable(inner), isRequired: false), property("list", .array(inner)),
            property("lists", .array(.array(.integer()))), property("holes", .array(.nullable(.string()))),
            property("names", .dictionary(inner)), property("choice", .oneOf(["one", "two"])),
            property("maybe_choice", .nullable(.oneOf(["one", "two"])), isRequired: false),
            property("free", .any), property("maybe_free", .nullable(.any), isRequired: false),
            property("frees", .dictionary(.any)),
        ]
        #expect(properties.count == expected.count)
        for one in expected { #expect(properties.contains(one), "\(one): \(properties)") }
    }

    private struct Tree: Codable {
        var name: String
        var children: [Tree]
    }

    private final class Chain: Codable {
        var next: Chain?
    }

    private struct Endless: Codable {
        var names: [String: Endless]
    }

    @Test("a type within itself ends: in a list and in what may be absent, else it says so")
    func recursion() throws {
        #expect(
            try JSONSchema(of: Tree.self)
                == .object([property("name", .string()), property("children", .array(.any))]))
        #expect(try JSONSchema(of: Chain.self) == .object([property("next", .nullable(.any), isRequired: false)]))
        #expect(throws: NotReadable.self) { try JSONSchema(of: Endless.self) }
    }

    private struct Even: Codable, SchemaDescribed {
        static let schema = JSONSchema.integer(minimum: 2)
        static let example = Even(value: 2)
        var value: Int

        init(value: Int) { self.value = value }

        init(from decoder: any Decoder) throws {
            value = try decoder.singleValueContainer().decode(Int.self)
            guard value > 0, value % 2 == 0 else { throw CocoaError(.coderInvalidValue) }
        }
    }

    private struct HoldsEven: Codable { var even: Even }

    @Test func whatRefusesMadeUpValuesDescribesItself() throws {
        #expect(try JSONSchema(of: HoldsEven.self) == .object([property("even", .integer(minimum: 2))]))
    }
}
