internal import Foundation
internal import JSON
internal import Logging
internal import Wire

// What is one event of the log? Time, level, source, name and fields, as one line of JSON. Names are `area::name`; what is said in
// sentences, by libraries, is `log::message`. Nothing here is longer than a line may be.

/// An event on its way into the log.
struct LogRecord: Sendable {
    /// Unix seconds.
    var time: Double
    var level: Logger.Level
    /// The area of the name, or who else speaks: `mcp:files`, `bridge:tg`, `task:4711`.
    var source: String
    /// `area::name`
    var event: String
    var fields: [String: String]

    /// Bytes of one value, and fields of one event.
    static let longestValue = 4_096
    static let mostFields = 32
    /// Bytes of a line that anybody looks at. Longer ones are none of ours.
    static let longestLine = 256 << 10
    private static let own: Set = ["ts", "level", "source", "event"]

    /// About how much memory it takes.
    var weight: Int {
        128 + source.utf8.count + event.utf8.count
            + fields.reduce(0) { $0 + 64 + $1.key.utf8.count + $1.value.utf8.count }
    }

    /// Without the newline.
    var line: String {
        var object: [String: JSONValue] = [:]
        for (name, value) in fields.sorted(by: { $0.key < $1.key }).prefix(Self.mostFields) {
            let name = String(name.prefix(128))
            object[Self.own.contains(name) ? "field_" + name : name] = .string(Self.cut(value))
        }
        object["ts"] = .number(time)
        object["level"] = .string(level.rawValue)
        object["source"] = .string(source)
        object["event"] = .string(event)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(JSONValue.object(object)) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }

    static func cut(_ text: String) -> String {
        guard text.utf8.count > longestValue else { return text }
        return String(decoding: text.utf8.prefix(longestValue), as: UTF8.self) + "…"
    }

    /// Lines that could not be kept.
    static func dropped(_ count: Int, at time: Double) -> LogRecord {
        LogRecord(
            time: time, level: .warning, source: "log", event: "log::dropped", fields: ["count": "\(count)"])
    }
}

/// Which events are asked for.
struct LogQuery: Sendable, Equatable {
    /// The last so many.
    var lines = 100
    /// How names begin.
    var event: String?
    /// This one and worse ones.
    var level: Logger.Level?
    var source: String?
    /// Unix seconds.
    var since: Double?

    func matches(_ record: LogRecord) -> Bool {
        matches(time: record.time, level: record.level, source: record.source, event: record.event)
    }

    fileprivate func matches(time: Double, level: Logger.Level, source: String, event: String) -> Bool {
        if let least = self.level, level < least { return false }
        if let since, time < since { return false }
        if let wanted = self.source, wanted != source { return false }
        return self.event.map(event.hasPrefix) ?? true
    }
}

/// What a reader looks at in a line.
struct LogHead: Decodable, Sendable {
    var ts: Double
    var level: String
    var source: String?
    var event: String

    func matches(_ query: LogQuery) -> Bool {
        query.matches(
            time: ts, level: Logger.Level(rawValue: level) ?? .critical, source: source ?? "", event: event)
    }
}
