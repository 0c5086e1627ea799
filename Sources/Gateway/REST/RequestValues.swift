internal import Foundation
internal import Hummingbird
internal import Transport

// What did the client write into the path and the query? Each value is read strictly: one that isn't what the route expects
// is refused with its name, never replaced by a default.

/// UTF-8 bytes of a name in a path or query. Nothing of the network has a longer one.
private let longestName = 256

extension GatewayContext {
    /// A part of the path, without percent-encoding.
    func pathPart(_ name: String) throws(ErrorResponse) -> String {
        guard let text = parameters.get(name)?.removingPercentEncoding, (1...longestName).contains(text.utf8.count)
        else { throw .notFound }
        return text
    }

    /// A part of the path that is a device's key.
    func deviceKey(_ name: String = "key") throws(ErrorResponse) -> NodeID {
        let text = try pathPart(name)
        guard text.utf8.count == 2 * NodeID.length, let key = try? NodeID(text) else {
            throw .invalid("A device is named by its key: 64 hexadecimal digits.")
        }
        return key
    }
}

extension Request {
    /// A value of the query; nil when it is absent or empty.
    func queryValue(_ name: String) throws(ErrorResponse) -> String? {
        let texts = uri.queryParameters.getAll(name)
        guard texts.count <= 1 else { throw .invalid("'\(name)' is there more than once.") }
        guard let text = texts.first, !text.isEmpty else { return nil }
        guard text.utf8.count <= longestName else { throw .invalid("'\(name)' is too long.") }
        return text
    }

    /// A value of the query that must be one of few, or of one form: nothing is none of them. Nil when it is absent.
    func queryWord(_ name: String) throws(ErrorResponse) -> String? {
        guard uri.queryParameters.has(name[...]) else { return nil }
        guard let text = try queryValue(name) else { throw .invalid("'\(name)' is empty.", hint: "Leave it out.") }
        return text
    }

    /// `1`, `true` or `yes` of the query; absent is no.
    func queryFlag(_ name: String) throws(ErrorResponse) -> Bool {
        switch try queryWord(name)?.lowercased() {
        case nil, "0", "false", "no": return false
        case "1", "true", "yes": return true
        default: throw .invalid("'\(name)' is true or false.")
        }
    }

    /// A whole number of the query; nil when it is absent.
    func queryNumber<Number: FixedWidthInteger>(
        _ name: String, in range: ClosedRange<Number>
    ) throws(ErrorResponse) -> Number? {
        guard uri.queryParameters.has(name[...]) else { return nil }
        let text = try queryValue(name) ?? ""
        guard let number = Number(text), range.contains(number) else {
            throw .invalid("'\(name)' is a whole number from \(range.lowerBound) to \(range.upperBound).")
        }
        return number
    }
}
