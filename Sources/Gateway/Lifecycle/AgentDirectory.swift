internal import Foundation
public import Store

// Where does each thing of an agent live? In one folder, which is the agent: copy it, and you have copied the agent.
// This file knows names and the making of a new folder; what stands in the files is their readers' business.

/// The folder of one agent.
public struct AgentDirectory: Sendable, Equatable, CustomStringConvertible {
    /// Absolute, without `.` and `..`.
    public let path: String

    /// Nothing is made or checked on the disk.
    ///
    /// - Parameters:
    ///   - path: absolute, below `~`, or relative to `base`.
    ///   - base: nil is the current directory of the process.
    public init(_ path: String, relativeTo base: String? = nil) {
        let expanded = Self.expanded(path)
        let absolute =
            expanded.hasPrefix("/") ? expanded : (base ?? FileManager.default.currentDirectoryPath) + "/" + expanded
        self.path = Self.normalized(absolute)
    }

    public var description: String { path }

    /// The agent's name when nobody gave it one: the name of its folder.
    public var defaultName: String { path.split(separator: "/").last.map(String.init) ?? "agent" }

    /// What the user edits.
    public var configuration: String { path + "/openagent.yaml" }
    /// Sessions, network, everything that lasts.
    public var database: String { path + "/openagent.db" }
    /// The agent's node id.
    public var identityKey: String { path + "/identity.key" }
    /// Where joined devices may find the agent after a restart (network.md §5).
    public var addressHints: String { path + "/coordinator_addr.json" }
    /// The notes, unless the configuration names another folder.
    public var memories: String { path + "/memories" }
    /// Files of users and answers: `<id>/<name>` each.
    public var files: String { path + "/files" }
    /// Where the agent works; answers may give files away that lie here.
    public var workspace: String { path + "/workspace" }
    /// Logs of the server.
    public var logs: String { path + "/logs" }
    /// What the server tells of itself, one event a line; older parts have numbers behind it.
    public var eventLog: String { logs + "/events.jsonl" }
    /// What this program keeps for itself: nothing in it is worth a backup.
    public var state: String { path + "/.openagent" }
    /// Held by the process that serves the agent.
    public var lock: String { state + "/lock" }
    /// Files that are still being uploaded.
    public var uploads: String { state + "/uploads" }
    /// Who serves the agent, and where.
    public var runRecord: String { state + "/run.json" }
    /// The disposable search index.
    public var noteIndex: String { state + "/notes.db" }

    /// Audio that a program is given or makes, for as long as it runs.
    public var voice: String { state + "/voice" }

    /// Whether an agent lives here.
    public var isAgent: Bool {
        [configuration, database, identityKey].contains { FileManager.default.fileExists(atPath: $0) }
    }

    /// Makes the folders that serving needs and, where they are missing, a commented configuration and a welcome note.
    /// What is there is never changed, except that the state folder is closed to group and others.
    ///
    /// - Parameter name: the name in a new configuration; nil is ``defaultName``.
    /// - Returns: what was made, as paths relative to the agent's folder, folders with a `/` at the end.
    /// - Throws: ``PrivateFileError``
    public func create(name: String? = nil) throws(PrivateFileError) -> [String] {
        var made: [String] = []
        func folder(_ path: String) throws(PrivateFileError) -> Bool {
            let isNew = !FileManager.default.fileExists(atPath: path)
            try PrivateFile.createFolder(path)
            if isNew, path != self.path { made.append(relative(path) + "/") }
            return isNew
        }
        _ = try folder(path)
        let yaml = Self.firstConfiguration(name: name ?? defaultName)
        if try PrivateFile.createIfMissing(configuration, with: Array(yaml.utf8)) {
            made.append(relative(configuration))
        }
        if try folder(memories) {
            let welcome = memories + "/Welcome.md"
            if try PrivateFile.createIfMissing(welcome, with: Array(Self.welcomeNote.utf8)) {
                made.append(relative(welcome))
            }
        }
        _ = try folder(logs)
        _ = try folder(state)
        // It tells who runs and holds a copy of the notes: it must be ours and not a link to elsewhere.
        try PrivateFile.close(toOthers: state)
        return made
    }

    /// The absolute path of something that the configuration names: as it stands when it is absolute or begins with
    /// `~`, else below the agent's folder.
    ///
    /// - Returns: nil for a relative path that leads out of the folder by `..`.
    public func resolve(_ path: String) -> String? {
        guard !path.isEmpty, !path.utf8.contains(0) else { return nil }
        let path = Self.expanded(path)
        if path.hasPrefix("/") { return Self.normalized(path) }
        let resolved = Self.normalized(self.path + "/" + path)
        return resolved == self.path || resolved.hasPrefix(self.path == "/" ? "/" : self.path + "/") ? resolved : nil
    }

    // MARK: Parts

    private func relative(_ path: String) -> String { String(path.dropFirst(self.path.count + 1)) }

    private static func expanded(_ path: String) -> String {
        path == "~" || path.hasPrefix("~/") ? NSHomeDirectory() + path.dropFirst() : path
    }

    private static func normalized(_ path: String) -> String {
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }

    private static func firstConfiguration(name: String) -> String {
        """
        # The configuration of this agent. Every key may be left out.
        # In a value, ${NAME} or {env:NAME} stands for an environment variable and {file:path} for a file's content.

        # What the agent is called; everyone who connects sees it.
        name: \(quoted(name))

        # network:
        #   name: home            # what joined devices call this network; the agent's name when left out
        #   port: 4433            # UDP port; when left out any free one, kept across restarts

        # memory:
        #   vault_path: memories  # the folder of Markdown notes, relative to this file or absolute

        # librarian:
        #   words_per_second: 0   # pace of its answers; 0 is as fast as possible

        # stt:                    # speech to text: users may speak
        #   command: whisper-cli -m models/ggml-base.bin -l {language} -nt -np -f {file}

        # tts:                    # text to speech: answers are spoken
        #   command: espeak-ng --stdin --stdout

        # sessions:
        #   lane: client          # a device's messages one after the other; session: those of each conversation

        # channels:               # chat platforms, see docs/bridges.md; nobody may talk who isn't named
        #   telegram:
        #     token: ${TELEGRAM_BOT_TOKEN}
        #     allowed_users: [155490357]

        # limits:                 # the others are in docs/operations.md
        #   file_size: 1073741824 # bytes of one file

        # logging:
        #   level: info           # trace, debug, info, notice, warning, error or critical

        """
    }

    /// A YAML double-quoted scalar, in which `$` and `{` of a folder's name mean nothing more than elsewhere.
    private static func quoted(_ text: String) -> String {
        let escaped = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        return "\"\(escaped.filter { !$0.unicodeScalars.contains { $0.properties.generalCategory == .control } })\""
    }

    private static let welcomeNote = """
        # Welcome

        This folder is what your agent remembers: Markdown notes, one file each, in folders as you like. Edit them with
        any editor (Obsidian works); changes count from the next question on.

        Ask about anything that stands in a note. Say “remember that …” and the agent writes it down under
        `remembered/`. Link notes with double square brackets, e.g. [[Welcome]].

        """
}
