internal import Foundation
internal import Glibc
internal import Store
internal import Transport

// What is wrong with this agent? The doctor looks at each part of its folder, and at the server if one runs, and says of each
// how it is and what to do. It changes nothing unless it is told to, and then only what can be made anew. The files' parts are
// here, what the database tells is in `AgentDoctorDatabase.swift`.

/// Examines one agent, whether it runs or not.
public struct AgentDoctor: Sendable {
    /// Bytes.
    private static let littleSpace: Int64 = 500 << 20
    private static let noSpace: Int64 = 16 << 20
    private static let manyLogs: Int64 = 1 << 30
    private static let manyUploads: Int64 = 100 << 20

    let directory: AgentDirectory
    let environment: [String: String]
    let now: @Sendable () -> Double
    /// Asks the server of the record; nil when it answered, else why it did not.
    let reach: @Sendable (RunRecord) async -> String?

    /// - Parameters:
    ///   - environment: what the configuration may refer to, and where programs are found.
    ///   - now: Unix seconds.
    ///   - reach: asks the server of the record whether it lives; nil when it answered, else why it did not.
    public init(
        directory: AgentDirectory, environment: [String: String], now: @escaping @Sendable () -> Double,
        reach: @escaping @Sendable (RunRecord) async -> String?
    ) {
        self.directory = directory
        self.environment = environment
        self.now = now
        self.reach = reach
    }

    /// Looks at everything.
    ///
    /// - Parameter repair: removes a damaged search index, which the next start makes anew. Nothing else is ever written.
    public func examine(repair: Bool = false) async -> [AgentFinding] {
        let configuration = try? AgentConfiguration.load(directory, environment: environment).configuration
        let state = InstanceState(directory)
        var findings = [examineConfiguration()]
        findings += examineModes()
        findings.append(examineSpace())
        findings.append(examineWriting())
        findings += examineDatabase(state)
        findings.append(examineIndex(repair: repair))
        findings.append(examineVault(configuration?.vault ?? directory.memories))
        findings += examineCommands(configuration)
        findings.append(await examineSandbox(configuration))
        findings += examineWebhooks(configuration)
        findings += examineChannels(configuration)
        findings.append(examineLogs())
        findings += examineUploads()
        findings += examinePort(configuration, state)
        findings.append(await examineServer(state))
        return findings
    }

    // MARK: Files

    private func examineConfiguration() -> AgentFinding {
        let examination = AgentConfiguration.examine(directory, environment: environment)
        guard examination.errors.isEmpty else {
            return .problem(
                "configuration", examination.errors.map(\.description).joined(separator: "; "),
                fix: "edit \(directory.configuration); an agent that runs goes on with what was there before")
        }
        if examination.warnings.isEmpty { return .ok("configuration", "openagent.yaml is understood") }
        return .warning(
            "configuration", examination.warnings.joined(separator: "; "), fix: "correct or remove these keys")
    }

    private func examineModes() -> [AgentFinding] {
        var open: [String] = []
        for path in [directory.state, directory.database, directory.database + "-wal", directory.noteIndex] {
            var status = stat()
            if lstat(path, &status) == 0, status.st_mode & 0o077 != 0 { open.append(path) }
        }
        var status = stat()
        if stat(directory.path, &status) == 0, status.st_mode & 0o022 != 0 { open.append(directory.path) }
        guard !open.isEmpty else { return [.ok("permissions", "nobody else can read or change what is private")] }
        return [
            .problem(
                "permissions", "others can read or change \(open.joined(separator: ", "))",
                fix: "chmod go-rwx \(open.joined(separator: " "))")
        ]
    }

    private func examineSpace() -> AgentFinding {
        let space = SystemMonitor.space(of: directory.path)
        let free = space.total - space.used
        let text = "\(free >> 20) MiB are free where the agent lives"
        guard space.total > 0 else { return .warning("disk", "how much room there is can't be said") }
        if free < Self.noSpace {
            return .problem("disk", "the disk is full: \(text)", fix: "make room; the agent goes on by itself then")
        }
        guard free < Self.littleSpace || Double(free) < 0.05 * Double(space.total) else { return .ok("disk", text) }
        return .warning("disk", "only \(text)", fix: "make room before the agent can keep nothing more")
    }

    private func examineWriting() -> AgentFinding {
        var status = statvfs()
        if statvfs(directory.path, &status) == 0, status.f_flag & UInt(ST_RDONLY) != 0 {
            return .problem(
                "writing", "the file system of \(directory) is read-only",
                fix: "see why with: dmesg; then: mount -o remount,rw")
        }
        for path in [directory.state, directory.files] where access(path, F_OK) == 0 && !Self.isFolder(path) {
            return .problem("writing", "\(path) is no folder", fix: "mv \(path) \(path).old; a start makes the folder")
        }
        for path in [directory.path, directory.state, directory.files, directory.database]
        where access(path, F_OK) == 0 && access(path, W_OK) != 0 {
            return .problem("writing", "\(path) can't be written by this user", fix: "chmod u+w \(path), as its owner")
        }
        return .ok("writing", "the folder can be written")
    }

    private func examineIndex(repair: Bool) -> AgentFinding {
        let path = directory.noteIndex
        guard access(path, F_OK) == 0 else {
            return .ok("note_index", "there is no search index yet; a start makes it")
        }
        if DatabaseExamination.isSound(path: path) { return .ok("note_index", "the search index is sound") }
        guard repair else {
            return .warning(
                "note_index", "the search index is damaged; the next start makes it anew",
                fix: "openagent doctor \(directory) --repair")
        }
        for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) }
        return .ok("note_index", "the search index was damaged and is removed; the next start makes it anew")
    }

    private func examineVault(_ path: String) -> AgentFinding {
        do {
            let count = try FileManager.default.contentsOfDirectory(atPath: path).count
            return .ok("vault", "\(path) can be read, \(count) entries")
        } catch {
            return .problem(
                "vault", "the notes in \(path) can't be read", fix: "make the folder, or correct memory.vault_path")
        }
    }

    private func examineCommands(_ configuration: AgentConfiguration?) -> [AgentFinding] {
        [("stt.command", configuration?.speechToText), ("tts.command", configuration?.textToSpeech)].compactMap {
            key, words in
            guard let program = words?.first else { return nil }
            let folders =
                program.contains("/") ? [""] : (environment["PATH"] ?? "").split(separator: ":").map { $0 + "/" }
            if folders.contains(where: { access($0 + program, X_OK) == 0 }) {
                return .ok(key, "\(program) is there")
            }
            return .problem(
                key, "there is no program '\(program)'", fix: "install it, or correct \(key) in openagent.yaml")
        }
    }

    private func examineChannels(_ configuration: AgentConfiguration?) -> [AgentFinding] {
        let problems = BridgeProblems(directory).all
        let incomplete = configuration?.channels.incomplete ?? []
        let running = (configuration?.channels.settings ?? []).map { settings -> AgentFinding in
            let name = "channels.\(settings.platform.rawValue)"
            if let found = problems.first(where: { $0.platform == settings.platform }) {
                return .problem(name, found.problem, fix: "correct \(name) in openagent.yaml")
            }
            let access = settings.access
            guard access.users.isEmpty, access.chats.isEmpty, access.listen.isEmpty, !access.pairing else {
                return .ok(name, "it is set up")
            }
            return .warning(
                name, "nobody may talk there",
                fix: "name users in \(name).allowed_users, or set \(name).pairing to true")
        }
        return incomplete.map { .warning("channels.\($0.platform.rawValue)", $0.problem) } + running
    }

    private func examineLogs() -> AgentFinding {
        let path = directory.logs
        guard access(path, F_OK) == 0 else { return .ok("logs", "there are no logs yet; a start makes the folder") }
        guard Self.isFolder(path) else {
            return .problem("logs", "\(path) is no folder", fix: "mv \(path) \(path).old; a start makes the folder")
        }
        // That the whole file system is read-only was said already.
        for path in [path, directory.eventLog] where access(path, W_OK) != 0 && errno == EACCES {
            return .problem("logs", "\(path) can't be written by this user", fix: "chmod u+w \(path), as its owner")
        }
        let size = Self.size(of: path)
        let text = "\(size >> 20) MiB of logs"
        return size > Self.manyLogs
            ? .warning("logs", text, fix: "remove old files of \(directory.logs)") : .ok("logs", text)
    }

    private func examineUploads() -> [AgentFinding] {
        let folder = directory.state + "/uploads"
        guard access(folder, F_OK) == 0 else { return [] }
        let size = Self.size(of: folder)
        let text = "\(size >> 20) MiB of uploads that are not finished"
        return [size > Self.manyUploads ? .warning("uploads", text) : .ok("uploads", text)]
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Bytes of all files in a folder; 0 when there is none.
    private static func size(of folder: String) -> Int64 {
        guard let paths = FileManager.default.enumerator(atPath: folder) else { return 0 }
        var size: Int64 = 0
        for case let path as String in paths {
            var status = stat()
            if lstat(folder + "/" + path, &status) == 0, status.st_mode & S_IFMT == S_IFREG {
                size += Int64(status.st_size)
            }
        }
        return size
    }

    // MARK: The server

    /// Asks the kernel's table. To take the port for a moment would be in the way of a server that is just starting.
    private func examinePort(_ configuration: AgentConfiguration?, _ state: InstanceState) -> [AgentFinding] {
        guard case .stopped = state, let port = configuration?.port else { return [] }
        let isTaken = ["udp", "udp6"].contains { table in
            let rows = (try? String(contentsOfFile: "/proc/net/\(table)", encoding: .utf8)) ?? ""
            return rows.split(separator: "\n").dropFirst().contains { row in
                let fields = row.split(separator: " ")
                guard fields.count > 1, let digits = fields[1].split(separator: ":").last else { return false }
                return UInt16(digits, radix: 16) == port
            }
        }
        guard isTaken else { return [.ok("port", "UDP port \(port) is free")] }
        return [
            .problem(
                "port", "another program has UDP port \(port)",
                fix: "end that program (see it with: ss -ulpn), or change network.port in openagent.yaml")
        ]
    }

    private func examineServer(_ state: InstanceState) async -> AgentFinding {
        switch state {
        case .stopped(nil): return .ok("server", "no server runs")
        case .stopped(let record?):
            return .warning(
                "server", "process \(record.pid), started \(record.startedText), ended without a goodbye",
                fix: "openagent serve \(directory)")
        case .starting:
            return .warning("server", "a server is just starting or stopping", fix: "look again in a moment")
        case .running(let record):
            guard let problem = await reach(record) else {
                return .ok("server", "process \(record.pid) serves and answers, since \(record.startedText)")
            }
            return .problem(
                "server", "process \(record.pid) holds the lock and does not answer: \(problem)",
                fix: "openagent stop --agent \(directory), then: openagent serve \(directory)")
        }
    }
}
