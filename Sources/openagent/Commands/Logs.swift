internal import ArgumentParser
internal import Foundation
internal import Wire

// What happened at an agent? The last events of its log, and with -f those to come.

struct Logs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what an agent told of itself, the last events and with -f those to come.",
        discussion: "The names of events and their fields: docs/operations.md")

    @Flag(name: .shortAndLong, help: "Go on with what happens from now on, until the command is interrupted.")
    var follow = false
    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("The last so many, up to 1000.", valueName: "n"))
    var lines = 100
    @Option(
        help: ArgumentHelp(
            "Only this level (debug, info, notice, warning, error …) and worse ones.", valueName: "level"))
    var level: String?
    @Option(help: ArgumentHelp("Only of this source, such as sessions or mcp:files.", valueName: "source"))
    var source: String?
    @Option(help: ArgumentHelp("Only events whose names begin so, such as sessions::.", valueName: "prefix"))
    var event: String?
    @Option(help: ArgumentHelp("Only since then: 10m, 2026-11-21T08:00:00Z, or Unix seconds.", valueName: "time"))
    var since: String?
    @OptionGroup var target: TargetOptions

    func run() async throws {
        let path = Administration.path(
            "/api/logs",
            query: [
                ("lines", "\(lines)"), ("level", level), ("source", source), ("event", event), ("since", since),
                ("follow", follow ? "true" : nil),
            ])
        guard follow else {
            return try await target.run {
                try await $0.get(path, as: [LogEntryBody].self, hint: "see: openagent logs --help")
            } show: { entries in
                for entry in entries { Output.write(Self.text(entry)) }
                if entries.isEmpty, Screen.isTerminal { Output.write("There is no such event.\n") }
            }
        }
        guard try target.stoppedAgent() == nil else {
            throw CommandError(
                .state, "the agent does not run, so nothing more comes",
                hint: "give the command without -f for what there is, or start the agent: openagent serve DIR")
        }
        let asJSON = target.json
        let ended: Void? = try await target.ask { agent in
            try await Output.whileRead {
                var events = EventLines()
                try await agent.follow(path, hint: "see: openagent logs --help") { bytes in
                    for line in events.take(bytes) {
                        if asJSON {
                            Output.write(Screen.json(line) + "\n")
                        } else if let entry = try? JSONDecoder().decode(LogEntryBody.self, from: Data(line.utf8)) {
                            Output.write(Self.text(entry))
                        }
                    }
                }
            }
        }
        guard ended != nil else { return }
        throw CommandError(
            .unreachable, "the agent ended the log", hint: "it stopped, or your rights changed: see openagent status")
    }

    private static func text(_ entry: LogEntryBody) -> String {
        let level = entry.level.uppercased().padding(toLength: 8, withPad: " ", startingAt: 0)
        // Who speaks is seen from the name, except when it is somebody else.
        let source = entry.event.hasPrefix(entry.source + "::") ? "" : "[\(entry.source)] "
        let fields = entry.fields.sorted { $0.key < $1.key }.map { key, value in
            if case .string(let text) = value { " \(key)=\(text)" } else { " \(key)=\(value)" }
        }
        return Screen.plain("\(timeText(entry.time, seconds: true)) \(level) \(source)\(entry.event)\(fields.joined())")
            + "\n"
    }
}

/// What server-sent events say, out of pieces as they come.
private struct EventLines {
    /// A line that is longer is none of the agent's.
    private static let longest = 1 << 20
    private var rest: [UInt8] = []

    /// The data of the events that are complete.
    mutating func take(_ bytes: [UInt8]) -> [String] {
        rest += bytes
        var lines: [String] = []
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            let line = String(decoding: rest[..<end], as: UTF8.self)
            rest.removeSubrange(...end)
            if line.hasPrefix("data: ") { lines.append(String(line.dropFirst("data: ".count))) }
        }
        if rest.count > Self.longest { rest = [] }
        return lines
    }
}
