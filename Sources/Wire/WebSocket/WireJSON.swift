internal import Foundation

// How does a message become a text frame and back? The one place that turns the vocabulary into JSON text.

/// A message that travels as one JSON object in one text frame.
public protocol WireMessage: Codable, Sendable {}

extension ClientMessage: WireMessage {}
extension ServerMessage: WireMessage {}

extension WireMessage {
    /// Reads a text frame. Unknown fields are ignored, null and absent are the same.
    ///
    /// - Throws: ``WireMessageError`` for text that is no message.
    public init(json text: String) throws(WireMessageError) {
        do { self = try JSONDecoder().decode(Self.self, from: Data(text.utf8)) } catch {
            throw .notAMessage
        }
    }

    /// The text frame. Keys are sorted, slashes plain.
    public func json() throws(WireMessageError) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do { return String(decoding: try encoder.encode(self), as: UTF8.self) } catch {
            // Only a number without a JSON form (a cost of NaN) can do that.
            throw .notEncodable
        }
    }
}

/// Why a frame and a message did not match.
public enum WireMessageError: Error, Equatable, CustomStringConvertible {
    case notAMessage
    case notEncodable

    public var description: String {
        switch self {
        case .notAMessage: "not a message: expected one JSON object with a known shape and a string 'type'"
        case .notEncodable: "the message holds a number that JSON cannot carry"
        }
    }
}
