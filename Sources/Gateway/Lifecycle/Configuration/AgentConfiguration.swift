public import Logging
internal import Store

// What may a user set in openagent.yaml, in which ranges, and what holds when nothing is set? This file is that list.
// How YAML is read and how an error names its line is in ConfigurationSection; secrets in it are references.

/// The settings of one agent.
public struct AgentConfiguration: Sendable, Equatable {
    /// Bounds that a user may need to move.
    public struct Limits: Sendable, Equatable {
        /// Turns that may wait in one lane, 1 to 1,000.
        public var waitingTurnsPerLane = 20
        /// Turns that may wait in all lanes together, 1 to 1,000,000.
        public var waitingTurns = 10_000
        /// Sessions of one user, 1 to 1,000,000.
        public var sessionsPerUser = 10_000
        /// Open streams of one connection, 1 to 10,000.
        public var streamsPerConnection = 100
        /// Connections of one device, 1 to 1,000.
        public var connectionsPerDevice = 8
        /// Connections of all devices and strangers together, 16 to 100,000.
        public var connections = 4_096
        /// The largest note in bytes, 1 KiB to 64 MiB.
        public var noteSize = 1 << 20
        /// The largest file that a user may upload or an answer may carry in bytes, 1 KiB to 64 GiB.
        public var fileSize = 1 << 30
        /// How many seconds a request waits for the answer to its message, 1 to 86,400.
        public var chatSeconds = 900
        /// Runs of one workflow that are kept when they are over.
        public var workflowRuns = 100
        /// Files that one user may have, 1 to 10,000,000.
        public var filesPerUser = 10_000
        /// Bytes that one user's files may come to, 1 MiB to 64 TiB.
        public var fileBytesPerUser = 100 << 30

        public init() {}
    }

    /// What the agent is called, 1 to 64 characters.
    public var name: String
    /// What joined devices call the network, 1 to 64 characters; nil is the agent's name.
    public var networkName: String?
    /// The UDP port; nil is the one of the last run, or any free one.
    public var port: UInt16?
    public var logLevel: Logger.Level = .info
    /// Absolute path of the notes.
    public var vault: String
    /// Pace of the librarian's answers, 0 (no limit) to 10,000.
    public var librarianWordsPerSecond: Double = 0
    /// Whose turns run one after the other.
    public var lane = SessionLane.client
    /// A command that turns speech into text: its words. Nil: no speech is understood.
    public var speechToText: [String]?
    /// A command that turns text into speech: its words. Nil: the agent doesn't speak.
    public var textToSpeech: [String]?
    public var limits = Limits()
    public var usage = UsageConfiguration()
    /// How models and tools answer.
    var turns = TurnConfiguration()
    /// What holds for servers of tools.
    public var toolServers = ToolServerConfiguration()
    /// Where webhooks are listened for; nil: nowhere.
    public var webhooks: WebhookAddress?
    public var dreamMode = DreamMode()
    /// How long calls of tools wait for their users, and how long the account of calls is kept.
    public var approvals = ApprovalConfiguration()
    public var tools = ToolsConfiguration()
    /// Which chat platforms it is on.
    public var channels = ChannelsConfiguration()
    /// When the server's log is divided.
    public var logFiles = LogFileLimits()

    /// What a name must be, in a sentence.
    public static let nameRule = "a name has 1 to 64 characters and no control characters"

    /// `text` if it can be the name of an agent or a network.
    public static func checkedName(_ text: String) -> String? {
        let isPlain = !text.unicodeScalars.contains { $0.properties.generalCategory == .control }
        return (1...64).contains(text.count) && isPlain ? text : nil
    }

    private static let commandRule = "a program and its arguments, e.g. espeak-ng --stdout"

    /// The words of a command, divided by spaces; no shell reads them.
    static func checkedCommand(_ text: String) -> [String]? {
        let words = text.split(whereSeparator: \.isWhitespace).map(String.init)
        return words.isEmpty ? nil : words
    }

    /// What holds when there is no file.
    public init(directory: AgentDirectory) {
        name = directory.defaultName
        vault = directory.memories
    }

    /// Reads the file of an agent; a missing or empty one means all defaults.
    ///
    /// - Parameter environment: what `${NAME}` and `{env:NAME}` refer to.
    /// - Returns: the settings, and for each key that this version does not know a sentence for the log.
    /// - Throws: ``ConfigurationError``, the first in the file.
    public static func load(
        _ directory: AgentDirectory, environment: [String: String]
    ) throws(ConfigurationError) -> (configuration: AgentConfiguration, warnings: [String]) {
        try examine(directory, environment: environment).usable()
    }

    /// Reads a file and says of everything in it what is wrong.
    ///
    /// - Parameter file: another one than the agent's, whose paths still begin in the agent's folder.
    public static func examine(
        _ directory: AgentDirectory, file: String? = nil, environment: [String: String]
    ) -> ConfigurationExamination {
        let file = file ?? directory.configuration
        do throws(ConfigurationError) {
            let text = try text(of: file)
            return examine(text ?? "", file: file, directory, environment: environment)
        } catch {
            return ConfigurationExamination(configuration: Self(directory: directory), errors: [error])
        }
    }

    /// Examines a text as if it were in the file.
    static func examine(
        _ text: String, file: String, _ directory: AgentDirectory, environment: [String: String]
    ) -> ConfigurationExamination {
        var examination = ConfigurationExamination(configuration: Self(directory: directory))
        let references = ConfigurationReferences(environment: environment, directory: directory)
        do throws(ConfigurationError) {
            guard var root = try ConfigurationSection(yaml: text, file: file, references: references) else {
                return examination
            }
            try examination.configuration.read(&root, directory: directory)
            examination.warnings = root.warnings
            examination.errors = root.errors
        } catch {
            examination.errors = [error]
        }
        return examination
    }

    /// The text of a file; nil when there is none.
    static func text(of file: String) throws(ConfigurationError) -> String? {
        let bytes: [UInt8]?
        do {
            bytes = try PrivateFile.read(file)
        } catch {
            throw .unreadable(error)
        }
        guard let bytes else { return nil }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .syntax(file: file, line: 1, problem: "the file is not UTF-8 text")
        }
        return text
    }

    private mutating func read(
        _ root: inout ConfigurationSection, directory: AgentDirectory
    ) throws(ConfigurationError) {
        name = try root.value("name", "text of 1 to 64 characters", Self.checkedName) ?? name
        try root.section("network") { network throws(ConfigurationError) in
            networkName = try network.value("name", "text of 1 to 64 characters", Self.checkedName)
            port = try network.integer("port", in: 1...65535).map { UInt16($0) }
        }
        try root.section("memory") { memory throws(ConfigurationError) in
            vault =
                try memory.value("vault_path", "a folder below the agent's, or an absolute path") {
                    directory.resolve($0)
                } ?? vault
        }
        try root.section("logging") { logging throws(ConfigurationError) in
            logLevel = try logging.choice("level") ?? logLevel
            try logFiles.read(&logging)
        }
        try root.section("librarian") { librarian throws(ConfigurationError) in
            librarianWordsPerSecond =
                try librarian.number("words_per_second", in: 0...10_000) ?? librarianWordsPerSecond
        }
        try root.section("sessions") { sessions throws(ConfigurationError) in
            lane = try sessions.choice("lane") ?? lane
        }
        try root.section("stt") { stt throws(ConfigurationError) in
            speechToText = try stt.value("command", Self.commandRule, Self.checkedCommand) ?? speechToText
        }
        try root.section("tts") { tts throws(ConfigurationError) in
            textToSpeech = try tts.value("command", Self.commandRule, Self.checkedCommand) ?? textToSpeech
        }
        try turns.read(&root)
        try root.section("webhooks") { webhooks throws(ConfigurationError) in
            self.webhooks = try webhooks.value("listen", WebhookAddress.rule, WebhookAddress.init)
        }
        try root.section("dream_mode") { dream throws(ConfigurationError) in try dreamMode.read(&dream) }
        try root.section("approvals") { section throws(ConfigurationError) in try approvals.read(&section) }
        try root.section("usage") { usage throws(ConfigurationError) in try self.usage.read(&usage) }
        try root.section("tool_servers") { section throws(ConfigurationError) in try toolServers.read(&section) }
        try tools.read(&root)
        try root.section("channels") { section throws(ConfigurationError) in try channels.read(&section) }
        try root.section("limits") { section throws(ConfigurationError) in
            limits.waitingTurnsPerLane =
                try section.integer("waiting_turns_per_lane", in: 1...1000) ?? limits.waitingTurnsPerLane
            limits.waitingTurns = try section.integer("waiting_turns", in: 1...1_000_000) ?? limits.waitingTurns
            limits.sessionsPerUser =
                try section.integer("sessions_per_user", in: 1...1_000_000) ?? limits.sessionsPerUser
            limits.streamsPerConnection =
                try section.integer("streams_per_connection", in: 1...10_000) ?? limits.streamsPerConnection
            limits.connectionsPerDevice =
                try section.integer("connections_per_device", in: 1...1000) ?? limits.connectionsPerDevice
            limits.connections = try section.integer("connections", in: 16...100_000) ?? limits.connections
            limits.noteSize = try section.integer("note_size", in: 1024...(64 << 20)) ?? limits.noteSize
            limits.filesPerUser = try section.integer("files_per_user", in: 1...10_000_000) ?? limits.filesPerUser
            limits.fileBytesPerUser =
                try section.integer("file_bytes_per_user", in: (1 << 20)...(64 << 40)) ?? limits.fileBytesPerUser
            limits.fileSize = try section.integer("file_size", in: 1024...(64 << 30)) ?? limits.fileSize
            limits.chatSeconds = try section.integer("chat_seconds", in: 1...86_400) ?? limits.chatSeconds
            limits.workflowRuns = try section.integer("workflow_runs", in: 1...10_000) ?? limits.workflowRuns
        }
    }
}

/// What a configuration says, and everything that is wrong with it.
public struct ConfigurationExamination: Sendable {
    /// As far as it could be understood.
    public var configuration: AgentConfiguration
    /// Sentences about keys that this version does not know.
    public var warnings: [String] = []
    /// In the order of their lines.
    public var errors: [ConfigurationError] = []

    /// The settings and the sentences.
    ///
    /// - Throws: the first error.
    public func usable() throws(ConfigurationError) -> (configuration: AgentConfiguration, warnings: [String]) {
        if let error = errors.first { throw error }
        return (configuration, warnings)
    }
}
