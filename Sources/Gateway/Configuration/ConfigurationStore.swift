internal import Agent
internal import Glibc
internal import JSON
public import Logging
internal import Store
internal import Synchronization
internal import Wire

// What holds at the moment, and who has to hear when it changes? The store knows the configuration that is active, reads and
// writes the file and notices when somebody edits it by hand. A file that is wrong leaves what was active as it is, and says
// so. A part of the agent that follows a setting while it runs does one of two things:
//
//     store.active.librarianWordsPerSecond            // ask each time, from anywhere; it is cheap
//     store.reconcile { await caps.adopt($0.caps) }    // be told, once after each change, before whoever wrote is answered
//
// and a setting that can't be followed stands in `AgentConfiguration.afterRestart`, so that whoever changes it is told. A
// new setting is a line in `AgentConfiguration.read`, and a line in docs/operations.md.

/// The configuration of one agent, kept in its file.
public actor ConfigurationStore {
    /// A change that has been taken up.
    struct Change: Sendable, Equatable {
        /// Keys of the file's outermost mapping that say something else now.
        var sections: [String]
        /// Somebody changed the file with another program.
        var isByHand: Bool
    }

    /// How the file is.
    struct Health: Sendable, Equatable {
        /// What is wrong with the file, if something is: something older is active.
        var error: ConfigurationError?
    }

    /// The file and what it says, without secrets.
    struct Reading: Sendable {
        var fields: [String: JSONValue]
        var tag: String
    }

    /// A change that has been made.
    struct Written: Sendable {
        /// Keys of the file's outermost mapping that say something else now.
        var sections: [String]
        /// Settings whose new value counts after a restart.
        var restartKeys: [String]
        /// What somebody should know, in sentences.
        var warnings: [String]
        var reading: Reading
    }

    /// What is asked for.
    enum Wish: Sendable {
        case everything([String: JSONValue])
        /// Nil: the section goes.
        case section(String, JSONValue?)
    }

    private struct State {
        var active: AgentConfiguration
        var health = Health()
        var followers: [@Sendable (AgentConfiguration) async -> Void] = []
        var listeners: [AsyncStream<Change>.Continuation] = []
    }

    /// Sections that are rows of the database; what a file says of them is left as it is.
    static let ownedByDatabase: Set = ["providers", "mcp", "mcps", "scheduled", "scheduled_tasks"]
    /// How long after a change by hand the file is read: editors make several changes of one.
    private static let rest = Duration.milliseconds(100)

    private let directory: AgentDirectory
    private let environment: [String: String]
    private let overrides: ConfigurationOverrides
    /// What was active when the agent was put together.
    private let first: AgentConfiguration
    private let logger: Logger
    /// Without it nobody can tell by a tag whether a guess at a secret in the file is right.
    private let tagKey: [UInt8]
    private let executor = BlockingExecutor(label: "openagent.config")
    private let state: Mutex<State>
    /// The last document that was good.
    private var document: ConfigurationDocument
    /// The text that was looked at last; nil when there was no file.
    private var seen: String?

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// - Parameters:
    ///   - configuration: what the file said when it was read for this process.
    ///   - environment: what the file may refer to.
    ///   - overrides: what wins over the file.
    ///   - tagKey: secret, and the same after every restart.
    init(
        directory: AgentDirectory, configuration: AgentConfiguration, environment: [String: String],
        overrides: ConfigurationOverrides = .init(), tagKey: [UInt8] = [], logger: Logger
    ) {
        self.directory = directory
        self.environment = environment
        self.overrides = overrides
        self.logger = logger
        self.tagKey = tagKey
        first = overrides.applied(to: configuration)
        state = Mutex(State(active: first))
        seen = (try? AgentConfiguration.text(of: directory.configuration)) ?? nil
        document =
            seen.flatMap { try? ConfigurationDocument($0, file: directory.configuration) } ?? ConfigurationDocument()
    }

    // MARK: Following

    /// What holds now.
    nonisolated var active: AgentConfiguration { state.withLock { $0.active } }

    nonisolated var health: Health { state.withLock { $0.health } }

    /// Has `follow` called with what holds then, after each change and before whoever made it is answered.
    nonisolated func reconcile(_ follow: @escaping @Sendable (AgentConfiguration) async -> Void) {
        state.withLock { $0.followers.append(follow) }
    }

    /// Changes from now on; the oldest are dropped where nobody takes them.
    nonisolated func changes() -> AsyncStream<Change> {
        let (stream, continuation) = AsyncStream.makeStream(of: Change.self, bufferingPolicy: .bufferingNewest(64))
        state.withLock { $0.listeners.append(continuation) }
        return stream
    }

    /// Notices changes by hand until the task is cancelled.
    func run() async {
        removeLeftovers()
        guard let wakes = ConfigurationWatch.wakes(files: [directory.configuration, path]) else {
            return logger.warning(
                "config::unwatched", metadata: ["reason": "the kernel watches no further folder: edits need a restart"])
        }
        // Somebody may have changed it since it was read for this process.
        seen = nil
        await look()
        for await _ in wakes {
            do { try await Task.sleep(for: Self.rest) } catch { return }
            await look()
        }
    }

    /// Reads the file, if it is another one than before.
    func look() async {
        let text: String?
        do throws(ConfigurationError) {
            text = try AgentConfiguration.text(of: directory.configuration)
        } catch {
            seen = nil
            return refuse([error])
        }
        guard let text else {
            // What never was can't be missed.
            guard !document.text.isEmpty || seen != nil else { return }
            seen = nil
            return refuse([.syntax(file: directory.configuration, line: 1, problem: "the file is gone")])
        }
        guard text != seen || health.error != nil else { return }
        if text == seen, health.error != nil, (try? examined(text)) == nil { return }
        seen = text
        do throws(ConfigurationRefusal) {
            let (document, examination) = try examined(text)
            await take(document, examination, by: "hand", isByHand: true)
        } catch {
            if case .invalid(let errors) = error { refuse(errors) }
        }
    }

    // MARK: Reading and writing

    /// What the file says; where it can't be read as YAML, what it said last.
    func read() throws(ConfigurationRefusal) -> Reading {
        let (text, document, _) = try current()
        return Reading(
            fields: ConfigurationSecrets.redacted(document.fields), tag: tag(of: text ?? ""))
    }

    /// Changes the file and takes up what it says then.
    ///
    /// - Parameters:
    ///   - matches: whether the file of this tag is one that may be changed.
    ///   - actor: who wants it, for the log.
    /// - Throws: ``ConfigurationRefusal``; then nothing has changed.
    func write(
        _ wish: Wish, by actor: String, if matches: @Sendable (_ tag: String) -> Bool
    ) async throws(ConfigurationRefusal) -> Written {
        let (text, base, error) = try current()
        guard matches(tag(of: text ?? "")) else { throw .precondition }
        let file = directory.configuration
        if case .section = wish, let error { throw .broken(error) }
        let fields = try wanted(wish, of: base.fields)
        let before = active
        if fields == base.fields, error == nil, text != nil || fields.isEmpty {
            return written([], wish, warnings: (try? examined(base.text).1.warnings) ?? [], before)
        }
        let changed: String
        do { changed = try base.changed(to: fields, file: file) } catch { throw .invalid([error]) }
        guard changed.utf8.count <= ConfigurationDocument.maximumSize else { throw .tooLarge }
        let (document, examination) = try examined(changed)
        do throws(PrivateFileError) {
            if let text { try PrivateFile.replace(file + ".bak", with: Array(text.utf8)) }
            try PrivateFile.replace(path, with: Array(changed.utf8))
        } catch {
            throw .unwritable(error)
        }
        seen = changed
        let sections = await take(document, examination, by: actor, isByHand: false)
        return written(sections, wish, warnings: examination.warnings, before)
    }

    // MARK: Parts

    /// A name for exactly this text.
    private func tag(of text: String) -> String { ContentTag.of(tagKey + Array(text.utf8)) }

    /// Where the file is: if it is a link, what it leads to.
    private nonisolated var path: String {
        guard let real = realpath(directory.configuration, nil) else { return directory.configuration }
        defer { free(real) }
        return String(cString: real)
    }

    /// The text of the file, what it says, and why that is older than the text.
    private func current() throws(ConfigurationRefusal) -> (String?, ConfigurationDocument, ConfigurationError?) {
        do throws(ConfigurationError) {
            guard let text = try AgentConfiguration.text(of: directory.configuration) else {
                return (nil, document, nil)
            }
            do throws(ConfigurationError) {
                return (text, try ConfigurationDocument(text, file: directory.configuration), nil)
            } catch {
                return (text, document, error)
            }
        } catch {
            if case .unreadable(let failure) = error { throw .unwritable(failure) }
            return (nil, document, error)
        }
    }

    private func wanted(
        _ wish: Wish, of old: [String: JSONValue]
    ) throws(ConfigurationRefusal) -> [String: JSONValue] {
        switch wish {
        case .everything(let fields):
            let own = old.filter { Self.ownedByDatabase.contains($0.key) }
            let others = fields.filter { !Self.ownedByDatabase.contains($0.key) }.mapValues(\.normalized)
            return try ConfigurationSecrets.restored(others, from: old).merging(own) { $1 }
        case .section(let name, let value):
            guard !Self.ownedByDatabase.contains(name) else { throw .owned(name) }
            var fields = old
            fields[name] = nil
            if let value {
                fields[name] = try ConfigurationSecrets.restored(
                    value.normalized, from: old[name], below: name, path: name)
            }
            return fields
        }
    }

    private func examined(
        _ text: String
    ) throws(ConfigurationRefusal) -> (ConfigurationDocument, ConfigurationExamination) {
        let examination = AgentConfiguration.examine(
            text, file: directory.configuration, directory, environment: environment)
        guard examination.errors.isEmpty else { throw .invalid(examination.errors) }
        do {
            return (try ConfigurationDocument(text, file: directory.configuration), examination)
        } catch { throw .invalid([error]) }
    }

    private func refuse(_ errors: [ConfigurationError]) {
        guard let error = errors.first, health.error != error else { return }
        state.withLock { $0.health.error = error }
        logger.error(
            "config::refused",
            metadata: [
                "problem": "\(error)", "line": "\(error.line ?? 0)", "further": "\(errors.count - 1)",
                "active": "what was there before",
            ])
    }

    /// Makes a good document the active one.
    @discardableResult
    private func take(
        _ new: ConfigurationDocument, _ examination: ConfigurationExamination, by actor: String, isByHand: Bool
    ) async -> [String] {
        let sections = Set(new.fields.keys).union(document.fields.keys)
            .filter { new.fields[$0] != document.fields[$0] }.sorted()
        document = new
        let configuration = overrides.applied(to: examination.configuration)
        let (wasWrong, followers, listeners) = state.withLock { state in
            state.active = configuration
            let wasWrong = state.health.error != nil
            state.health.error = nil
            return (wasWrong, state.followers, state.listeners)
        }
        if wasWrong { logger.notice("config::repaired") }
        for warning in examination.warnings where !sections.isEmpty {
            logger.warning("config::unknown_key", metadata: ["problem": "\(warning)"])
        }
        // Also where no section says anything else: a reference may stand for something new.
        for follow in followers { await follow(active) }
        guard !sections.isEmpty else { return [] }
        logger.notice(
            "config::changed",
            metadata: [
                "sections": .array(sections.map { "\($0)" }), "by": "\(actor)",
                "after_restart": .array(restartKeys().map { "\($0)" }),
            ])
        for listener in listeners { listener.yield(Change(sections: sections, isByHand: isByHand)) }
        return sections
    }

    /// Settings that say something else than what the agent was put together with, and can't be followed.
    private func restartKeys() -> [String] {
        let now = active
        return AgentConfiguration.afterRestart.filter { $0.text(now) != $0.text(first) }.map(\.key)
    }

    private func written(
        _ sections: [String], _ wish: Wish, warnings: [String], _ before: AgentConfiguration
    ) -> Written {
        var keys = restartKeys()
        if case .section(let name, _) = wish { keys = keys.filter { $0 == name || $0.hasPrefix(name + ".") } }
        var warnings = warnings.map { warning in
            warning.hasPrefix(directory.configuration + ":")
                ? String(warning.dropFirst(directory.configuration.utf8.count + 1).drop { $0 != " " }.dropFirst())
                : warning
        }
        warnings += overrides.hidden(in: document.fields).filter { sections.contains($0.section) }.map(\.sentence)
        if active.networkName != before.networkName {
            warnings.append("network.name counts when a network is made; this agent is in one already")
        }
        if sections.contains("channels") { warnings += active.channels.incomplete.map(\.problem) }
        return Written(
            sections: sections, restartKeys: keys, warnings: warnings,
            reading: Reading(fields: ConfigurationSecrets.redacted(document.fields), tag: tag(of: document.text)))
    }

    /// What a process that was killed while it wrote has left. It holds what the file holds, secrets included.
    private func removeLeftovers() {
        let file = path
        guard let slash = file.lastIndex(of: "/"), let folder = opendir(String(file[...slash])) else { return }
        defer { closedir(folder) }
        let name = file[file.index(after: slash)...]
        while let entry = readdir(folder) {
            let found = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            let isLeftover = [name + ".", name + ".bak."].contains { beginning in
                guard found.hasPrefix(beginning), found.hasSuffix(".tmp") else { return false }
                return found.dropFirst(beginning.count).dropLast(4).allSatisfy { $0.isNumber || $0 == "." }
            }
            if isLeftover { unlink(String(file[...slash]) + found) }
        }
    }
}
