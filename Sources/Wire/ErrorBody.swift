internal import Foundation

// What does a refusal look like over HTTP? One shape, from the gateway and from the proxy: a stable code for programs, a
// message for people, and what to try.

/// `{"error":{"code","message","hint"?}}`
public struct ErrorBody: Codable, Sendable, Equatable {
    public struct Details: Codable, Sendable, Equatable {
        public var code: String
        public var message: String
        public var hint: String?
        /// With `budget_exceeded`: which limit it is.
        public var details: BudgetDetails?
    }

    public var error: Details

    public init(code: ErrorCode, message: String, hint: String? = nil, details: BudgetDetails? = nil) {
        error = Details(code: code.rawValue, message: message, hint: hint, details: details)
    }

    /// One line of JSON with sorted keys.
    public func json() -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Three texts always have a JSON form.
        return (try? encoder.encode(self)).map { Array($0) + [UInt8(ascii: "\n")] } ?? []
    }
}
