import Foundation
import Testing

@testable import Certs
@testable import Transport

// Reads the reference's vectors (Vectors/*.json) into plain Swift values.

/// One JSON value of a vector file.
struct Vector: @unchecked Sendable {
    // Only immutable values that JSONSerialization made: strings, numbers, arrays and dictionaries of them.
    private let value: Any?

    init(_ value: Any?) { self.value = value }

    static func file(_ name: String) throws -> Vector {
        let url = try #require(Bundle.module.url(forResource: name, withExtension: "json", subdirectory: "Vectors"))
        return Vector(try JSONSerialization.jsonObject(with: Data(contentsOf: url)))
    }

    subscript(key: String) -> Vector { Vector((value as? [String: Any])?[key]) }
    var list: [Vector] { (value as? [Any] ?? []).map { Vector($0) } }
    var keys: [String] { (value as? [String: Any]).map { $0.keys.sorted() } ?? [] }
    var text: String { value as? String ?? "" }
    var optionalText: String? { value as? String }
    var number: Double { (value as? NSNumber)?.doubleValue ?? .nan }
    var hex: [UInt8] { Base16.decode(Array(text.utf8)) ?? [] }
    var name: String { self["name"].text }

    /// The value as CBOR; `{"hex": …}` stands for a byte string.
    var cbor: CBORValue {
        switch value {
        case let text as String: .text(text)
        case is [Any]: .array(list.map(\.cbor))
        case is [String: Any] where keys == ["hex"]: .bytes(self["hex"].hex)
        case is [String: Any]: .map(cborMap)
        case let number as NSNumber where isBool(number): .bool(number.boolValue)
        case let number as NSNumber where number.doubleValue.rounded() == number.doubleValue && isInteger(number):
            .unsigned(number.uint64Value)
        case let number as NSNumber: .float(number.doubleValue)
        default: .null
        }
    }

    private var cborMap: CBORMap {
        var map = CBORMap()
        for key in keys { _ = map.insert(key, self[key].cbor) }
        return map
    }

    private func isInteger(_ number: NSNumber) -> Bool { !["d", "f"].contains(String(cString: number.objCType)) }

    private func isBool(_ number: NSNumber) -> Bool { String(cString: number.objCType) == "c" }
}

extension Vector: CustomTestStringConvertible {
    var testDescription: String { name.isEmpty ? "vector" : name }
}

extension CBORValue {
    /// Whether this says all that `other` says; maps may say more.
    func isAtLeast(_ other: CBORValue) -> Bool {
        switch (self, other) {
        case (.map(let own), .map(let other)):
            other.keys.allSatisfy { key in own[key].flatMap { own in other[key].map(own.isAtLeast) } ?? false }
        case (.array(let own), .array(let other)):
            own.count == other.count && zip(own, other).allSatisfy { $0.isAtLeast($1) }
        default: self == other || (number != nil && number == other.number)
        }
    }
}
