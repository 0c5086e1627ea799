public import JSON

// What is said over REST about the agent's log? One object an event, with whatever fields it has.

/// One of `GET /api/logs`
public struct LogEntryBody: Codable, Sendable, Equatable {
    /// Unix seconds.
    public var time: Double
    /// `trace`, `debug`, `info`, `notice`, `warning`, `error` or `critical`.
    public var level: String
    /// The area of the program, or who else speaks, such as `mcp:files`.
    public var source: String
    /// `area::name`
    public var event: String
    public var fields: [String: JSONValue]

    public init(time: Double, level: String, source: String, event: String, fields: [String: JSONValue]) {
        self.time = time
        self.level = level
        self.source = source
        self.event = event
        self.fields = fields
    }

    private enum Key: String, CodingKey { case time = "ts", level, source, event }

    public init(from decoder: any Decoder) throws {
        let known = try decoder.container(keyedBy: Key.self)
        time = try known.decode(Double.self, forKey: .time)
        level = try known.decode(String.self, forKey: .level)
        source = try known.decodeIfPresent(String.self, forKey: .source) ?? ""
        event = try known.decode(String.self, forKey: .event)
        fields = try [String: JSONValue](from: decoder)
        for key in [Key.time, .level, .source, .event] { fields[key.rawValue] = nil }
    }

    public func encode(to encoder: any Encoder) throws {
        try fields.encode(to: encoder)
        var known = encoder.container(keyedBy: Key.self)
        try known.encode(time, forKey: .time)
        try known.encode(level, forKey: .level)
        try known.encode(source, forKey: .source)
        try known.encode(event, forKey: .event)
    }
}
