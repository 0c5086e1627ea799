internal import Foundation
public import JSON

// What was asked of a fake, and what does it answer? Requests come as client libraries send them: fields in the query, as a form, as
// JSON, or with files in parts.

/// A request.
public struct FakeRequest: Sendable {
    /// Counts all requests of the server, from 1.
    public var number: Int
    /// Counts the server's connections, from 1.
    public var connection: Int
    public var method: String
    /// Without the query, percent-decoded.
    public var path: String
    /// As it was sent, with the query.
    public var target: String
    public var query: [(name: String, value: String)]
    /// Names in lower case; of several of a name the last.
    public var headers: [String: String]
    public var body: [UInt8]
    /// It asks for a WebSocket.
    public var isUpgrade: Bool

    init(
        number: Int, connection: Int, method: String, target: String, headers: [(name: String, value: String)],
        body: [UInt8]
    ) {
        self.number = number
        self.connection = connection
        self.method = method
        self.target = target
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = String(parts[0]).removingPercentEncoding ?? String(parts[0])
        query = parts.count > 1 ? Self.fields(String(parts[1])) : []
        self.headers = Dictionary(headers.map { ($0.name.lowercased(), $0.value) }) { $1 }
        self.body = body
        isUpgrade = self.headers["upgrade"]?.lowercased() == "websocket"
    }

    public var text: String { String(decoding: body, as: UTF8.self) }

    /// The body as JSON; nil when it is none.
    public var json: JSONValue? { try? JSONDecoder().decode(JSONValue.self, from: Data(body)) }

    /// The last path component.
    public var lastComponent: String { path.split(separator: "/").last.map(String.init) ?? "" }

    /// All fields, wherever they stand: query, form, parts that are no files, and the body's top level when it is a JSON object. Of forms they
    /// are texts.
    public var fields: [String: JSONValue] {
        var fields = Dictionary(query.map { ($0.name, JSONValue.string($0.value)) }) { $1 }
        let type = headers["content-type"]?.lowercased() ?? ""
        if type.hasPrefix("application/x-www-form-urlencoded") {
            for (name, value) in Self.fields(text) { fields[name] = .string(value) }
        } else if type.hasPrefix("multipart/form-data") {
            for part in parts where part.filename == nil {
                fields[part.name] = .string(String(decoding: part.bytes, as: UTF8.self))
            }
        } else if case .object(let object)? = json {
            fields.merge(object) { $1 }
        }
        return fields
    }

    /// A field as text, also when JSON has it as a number or a truth.
    public func field(_ name: String) -> String? {
        switch fields[name] {
        case .string(let text): text
        case .integer(let number): "\(number)"
        case .number(let number): "\(number)"
        case .bool(let truth): "\(truth)"
        case nil, .null, .array, .object: nil
        }
    }

    /// A field that is JSON itself, also when a form has it as text.
    public func jsonField(_ name: String) -> JSONValue? {
        guard case .string(let text)? = fields[name] else { return fields[name] }
        return try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
    }

    static func fields(_ text: String) -> [(name: String, value: String)] {
        text.split(separator: "&").map { pair in
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map {
                let plain = $0.replacingOccurrences(of: "+", with: " ")
                return plain.removingPercentEncoding ?? plain
            }
            return (sides[0], sides.count > 1 ? sides[1] : "")
        }
    }

    // MARK: Parts

    /// A part of a form.
    public struct Part: Sendable, Equatable {
        public var name: String
        /// Nil: a field and no file.
        public var filename: String?
        public var type: String?
        public var bytes: [UInt8]
    }

    /// The parts of a `multipart/form-data` body; none when it is no such, or broken.
    public var parts: [Part] {
        guard let type = headers["content-type"], type.lowercased().hasPrefix("multipart/form-data"),
            let boundary = Self.parameter("boundary", of: type)
        else { return [] }
        let data = Data(body)
        let mark = Data("--\(boundary)".utf8)
        var parts: [Part] = []
        guard var found = data.range(of: mark) else { return [] }
        while let next = data.range(of: Data("\r\n".utf8) + mark, in: found.upperBound..<data.endIndex) {
            // After the mark comes a line break, then headers, an empty line and the content.
            let start = found.upperBound + 2
            if start <= next.lowerBound, let part = Self.part(data[start..<next.lowerBound]) { parts.append(part) }
            found = next
        }
        return parts
    }

    private static func part(_ data: Data) -> Part? {
        guard let end = data.range(of: Data("\r\n\r\n".utf8)) else { return nil }
        var part = Part(name: "", bytes: Array(data[end.upperBound...]))
        for line in String(decoding: data[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n") {
            let sides = line.split(separator: ":", maxSplits: 1)
            guard sides.count == 2 else { return nil }
            let value = sides[1].trimmingCharacters(in: .whitespaces)
            switch sides[0].lowercased() {
            case "content-disposition":
                part.name = parameter("name", of: value) ?? ""
                part.filename = parameter("filename", of: value)
            case "content-type": part.type = value
            default: break
            }
        }
        return part
    }

    /// Reads `name="value"` or `name=value`.
    private static func parameter(_ name: String, of value: String) -> String? {
        for piece in pieces(value) {
            let sides = piece.split(separator: "=", maxSplits: 1)
            guard sides.count == 2, sides[0].trimmingCharacters(in: .whitespaces).lowercased() == name else { continue }
            var text = sides[1].trimmingCharacters(in: .whitespaces)
            if text.hasPrefix("\""), text.hasSuffix("\""), text.count > 1 { text = String(text.dropFirst().dropLast()) }
            for (escape, plain) in [("%22", "\""), ("%0D", "\r"), ("%0A", "\n"), ("\\\"", "\"")] {
                text = text.replacingOccurrences(of: escape, with: plain)
            }
            return text
        }
        return nil
    }

    /// Cut at semicolons that stand in no quotes.
    private static func pieces(_ value: String) -> [String] {
        var pieces = [""]
        var isQuoted = false
        for character in value {
            if character == "\"" { isQuoted.toggle() }
            if character == ";", !isQuoted { pieces.append("") } else { pieces[pieces.count - 1].append(character) }
        }
        return pieces
    }
}

/// An answer.
public struct FakeResponse: Sendable {
    public var status: Int
    public var headers: [(name: String, value: String)]
    /// More than one piece goes out chunked.
    public var pieces: [[UInt8]]
    /// The connection ends with it.
    public var closes = false

    public init(_ status: Int = 200, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        pieces = [body]
    }

    public static func json(
        _ value: JSONValue, status: Int = 200, headers: [(name: String, value: String)] = []
    ) -> FakeResponse {
        let body = (try? JSONEncoder().encode(value)) ?? Data()
        return FakeResponse(status, headers: [("Content-Type", "application/json")] + headers, body: Array(body))
    }

    public static func text(
        _ text: String, status: Int = 200, type: String = "text/plain; charset=utf-8",
        headers: [(name: String, value: String)] = []
    ) -> FakeResponse {
        FakeResponse(status, headers: [("Content-Type", type)] + headers, body: Array(text.utf8))
    }

    public static func chunked(_ pieces: [[UInt8]], type: String = "application/octet-stream") -> FakeResponse {
        var response = FakeResponse(200, headers: [("Content-Type", type)])
        response.pieces = pieces
        return response
    }
}
