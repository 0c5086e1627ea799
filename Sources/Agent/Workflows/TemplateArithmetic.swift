internal import Foundation
internal import JSON

// How are values reckoned with and put in order? Numbers with numbers, texts with texts, lists with lists: nothing becomes another kind
// by itself, because what comes from a model or a server would then mean something else from run to run.

enum TemplateArithmetic {
    static func result(_ sign: String, of left: JSONValue, _ right: JSONValue) throws(TemplateError) -> JSONValue {
        switch (left, right) {
        case (.integer(let first), .integer(let second)): return try whole(sign, first, second)
        case (.string(let first), .string(let second)) where sign == "+": return .string(first + second)
        case (.array(let first), .array(let second)) where sign == "+": return .array(first + second)
        default: break
        }
        guard let first = number(left), let second = number(right) else {
            throw TemplateError(
                "\"\(sign)\" can't be done with \(TemplateTests.kind(left)) and \(TemplateTests.kind(right))")
        }
        let result: Double
        switch sign {
        case "+": result = first + second
        case "-": result = first - second
        case "*": result = first * second
        default:
            guard second != 0 else { throw TemplateError("a division by zero") }
            switch sign {
            case "/": result = first / second
            case "//": result = (first / second).rounded(.down)
            // As in Python: the sign is the divisor's.
            default: result = first - second * (first / second).rounded(.down)
            }
        }
        guard result.isFinite else { throw TemplateError("a number becomes too large") }
        return .number(result)
    }

    private static func whole(_ sign: String, _ left: Int64, _ right: Int64) throws(TemplateError) -> JSONValue {
        let result: (partialValue: Int64, overflow: Bool)
        switch sign {
        case "+": result = left.addingReportingOverflow(right)
        case "-": result = left.subtractingReportingOverflow(right)
        case "*": result = left.multipliedReportingOverflow(by: right)
        default:
            guard right != 0 else { throw TemplateError("a division by zero") }
            if sign == "/" { return .number(Double(left) / Double(right)) }
            let quotient = left.dividedReportingOverflow(by: right)
            guard !quotient.overflow else { throw TemplateError("a number becomes too large") }
            let remainder = left - quotient.partialValue * right
            let isBelow = remainder != 0 && (remainder < 0) != (right < 0)
            result =
                sign == "//"
                ? (quotient.partialValue - (isBelow ? 1 : 0), false) : (remainder + (isBelow ? right : 0), false)
        }
        guard !result.overflow else { throw TemplateError("a number becomes too large") }
        return .integer(result.partialValue)
    }

    static func number(_ value: JSONValue) -> Double? {
        switch value {
        case .integer(let number): Double(number)
        case .number(let number): number
        default: nil
        }
    }

    /// - Returns: less than, equal to or more than 0 as `left` stands before, with or behind `right`.
    static func order(_ left: JSONValue, _ right: JSONValue) throws(TemplateError) -> Int {
        switch (left, right) {
        case (.integer(let first), .integer(let second)): return first < second ? -1 : first > second ? 1 : 0
        case (.string(let first), .string(let second)): return first < second ? -1 : first > second ? 1 : 0
        default:
            guard let first = number(left), let second = number(right) else {
                throw TemplateError("\(TemplateTests.kind(left)) and \(TemplateTests.kind(right)) have no order")
            }
            return first < second ? -1 : first > second ? 1 : 0
        }
    }
}

/// What can stand behind `is`.
enum TemplateTests {
    static let names = ["defined", "undefined", "none", "string", "number", "boolean", "list", "mapping"]

    static func holds(_ name: String, of value: JSONValue) -> Bool {
        switch (name, value) {
        case ("none", .null), ("string", .string), ("number", .integer), ("number", .number), ("boolean", .bool),
            ("list", .array), ("mapping", .object):
            true
        default: false
        }
    }

    /// A kind of value in an error.
    static func kind(_ value: JSONValue) -> String {
        switch value {
        case .null: "none"
        case .bool: "a truth value"
        case .integer, .number: "a number"
        case .string: "a text"
        case .array: "a list"
        case .object: "an object"
        }
    }
}
