internal import Foundation
public import Logging

// How does a log event become a line? As an aligned sentence for people or as a JSON object with fixed names for
// programs. An event whose message is a name such as `conn.accepted` can be searched for by that name. Values of
// metadata that are named like secrets never appear, whoever put them there.

/// swift-log's handler for all of openagent: `LoggingSystem.bootstrap { AgentLogHandler(label: $0, output: …, level: …) }`.
public struct AgentLogHandler: LogHandler {
    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?
    /// Until it is set for this logger alone, that of all.
    public var logLevel: Logger.Level {
        get { ownLevel ?? sharedLevel.current }
        set { ownLevel = newValue }
    }
    private var ownLevel: Logger.Level?
    private let sharedLevel: LogLevel

    private let label: String
    private let output: LogOutput
    private let journal: LogJournal?
    private let now: @Sendable () -> Date

    /// - Parameters:
    ///   - label: the part of the program that speaks; the `source` of its lines.
    ///   - journal: where events go besides.
    public init(label: String, output: LogOutput, journal: LogJournal? = nil, level: Logger.Level) {
        self.init(label: label, output: output, journal: journal, level: LogLevel(level)) { Date() }
    }

    /// - Parameter level: may change at any time.
    public init(label: String, output: LogOutput, journal: LogJournal? = nil, level: LogLevel) {
        self.init(label: label, output: output, journal: journal, level: level) { Date() }
    }

    init(
        label: String, output: LogOutput, journal: LogJournal? = nil, level: Logger.Level,
        now: @escaping @Sendable () -> Date
    ) {
        self.init(label: label, output: output, journal: journal, level: LogLevel(level), now: now)
    }

    init(
        label: String, output: LogOutput, journal: LogJournal? = nil, level: LogLevel,
        now: @escaping @Sendable () -> Date
    ) {
        self.label = label
        self.output = output
        self.journal = journal
        self.now = now
        sharedLevel = level
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var fields = metadata
        if let provided = metadataProvider?.get() { fields.merge(provided) { _, new in new } }
        if let given = event.metadata { fields.merge(given) { _, new in new } }
        let line =
            switch output.format {
            case .human: humanLine(event, fields)
            case .json: jsonLine(event, fields)
            }
        output.write(line)
        journal?.write(record(event, fields))
    }

    // MARK: Lines

    /// As it stands in the journal. Who speaks is the name's area, unless a field `source` says other.
    private func record(_ event: LogEvent, _ fields: Logger.Metadata) -> LogRecord {
        let message = event.message.description
        let name = Self.eventName(message)
        var texts: [String: String] = [:]
        for (key, value) in fields {
            texts[key] = Self.isSecret(key) ? Self.redaction : LogSecrets.hidden(Self.text(value))
        }
        if name == nil { texts["message"] = LogSecrets.hidden(message) }
        let source = texts.removeValue(forKey: "source") ?? name.map { String($0.prefix { $0 != ":" }) } ?? label
        return LogRecord(
            time: now().timeIntervalSince1970, level: event.level, source: source,
            event: name ?? "log::message", fields: texts)
    }

    /// A message that is a name, as `area::name`.
    private static func eventName(_ message: String) -> String? {
        guard isEventName(message) else { return nil }
        return message.split { $0 == "." || $0 == ":" }.joined(separator: "::")
    }

    private func humanLine(_ event: LogEvent, _ fields: Logger.Metadata) -> String {
        let time = now().formatted(.iso8601.time(includingFractionalSeconds: true))
        let level = event.level.rawValue.uppercased().padding(toLength: 8, withPad: " ", startingAt: 0)
        let rest = fields.sorted { $0.key < $1.key }.map { key, value in
            " \(key)=\(Self.oneLine(Self.isSecret(key) ? Self.redaction : LogSecrets.hidden(Self.text(value))))"
        }
        return
            "\(time) \(level) \(label): \(Self.oneLine(LogSecrets.hidden(event.message.description)))\(rest.joined())"
    }

    private func jsonLine(_ event: LogEvent, _ fields: Logger.Metadata) -> String {
        let message = event.message.description
        let record = Record(
            time: now().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)),
            level: event.level.rawValue, source: label,
            event: Self.isEventName(message) ? message : nil,
            message: Self.isEventName(message) ? nil : LogSecrets.hidden(message),
            fields: fields.isEmpty
                ? nil
                : fields.reduce(into: [:]) {
                    $0[$1.key] = Self.isSecret($1.key) ? Self.redaction : LogSecrets.hidden(Self.text($1.value))
                }
        )
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(record) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }

    private struct Record: Encodable {
        var time: String
        var level: String
        var source: String
        var event: String?
        var message: String?
        var fields: [String: String]?
    }

    // MARK: Text

    private static let redaction = "[redacted]"
    private static let secretWords: Set = [
        "password", "secret", "token", "ticket", "invite", "authorization", "cookie", "seed", "proof", "apikey",
    ]

    /// Whether a field's name says that its value is a secret: `api_key`, `invite-code`, `Token`.
    private static func isSecret(_ key: String) -> Bool {
        let words = key.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init)
        return words.contains(where: secretWords.contains) || words.suffix(2) == ["api", "key"]
            || words.suffix(2) == ["secret", "key"] || words.suffix(2) == ["private", "key"]
    }

    /// Lower-case words joined by dots or colons: `turn.started`, `conn::connected`.
    private static func isEventName(_ message: String) -> Bool {
        let parts = message.split(omittingEmptySubsequences: true) { $0 == "." || $0 == ":" }
        return parts.count > 1 && message.utf8.last != UInt8(ascii: ".")
            && parts.allSatisfy { part in
                part.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 95 }
            }
    }

    /// Nested values in swift-log's own notation, secrets in them taken out as well.
    private static func text(_ value: Logger.MetadataValue) -> String {
        switch value {
        case .string(let text): text
        case .stringConvertible(let value): value.description
        case .array(let values): "[\(values.map(text).joined(separator: ", "))]"
        case .dictionary(let fields):
            "[\(fields.sorted { $0.key < $1.key }.map { "\($0): \(isSecret($0) ? redaction : text($1))" }.joined(separator: ", "))]"
        }
    }

    /// Control characters are shown and not sent: a log line must not move the cursor or fake another line.
    private static func oneLine(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return text }
        return text.unicodeScalars.reduce(into: "") { line, scalar in
            if scalar.properties.generalCategory == .control {
                line += scalar.escaped(asASCII: true)
            } else {
                line.unicodeScalars.append(scalar)
            }
        }
    }
}
