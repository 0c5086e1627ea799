internal import ArgumentParser
internal import Foundation
internal import Gateway
internal import NIOCore
internal import Wire

/// What both commands print with `--json`.
private struct BackupReport: Encodable {
    /// The archive, or the restored agent's folder.
    var path: String
    var contents: BackupArchive.Contents

    enum CodingKeys: String, CodingKey { case path }

    func encode(to encoder: any Encoder) throws {
        try contents.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(path, forKey: .path)
    }

    func show(json: Bool, _ text: String) throws {
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return Output.write(Screen.json(String(decoding: try encoder.encode(self), as: UTF8.self)) + "\n")
        }
        Output.write(Screen.plain(text) + "\n")
        if contents.missingFiles > 0 {
            Output.write("warning: \(contents.missingFiles) files that the database names were not on the disk\n")
        }
        if let links = contents.information.leftOut {
            Output.write(
                Screen.plain("warning: not in it, as links are not followed: \(links.joined(separator: ", "))") + "\n")
        }
        for remark in contents.remarks { Output.write(Screen.plain("note: \(remark)") + "\n") }
    }
}

struct MakeBackup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Save everything that an agent is in one file, while it runs.",
        discussion: """
            Database, configuration, notes, files and workspace, each as it was at one moment; the file is checked after it \
            was written. It holds what every user said: keep it as you keep the agent. 'openagent restore' makes an agent \
            of it.
            """)

    @Argument(help: ArgumentHelp("The agent's directory; else as with --agent left out.", valueName: "dir"))
    var directory: String?

    @Option(
        help: ArgumentHelp(
            "Where to put it, a folder or a new name; else the current directory.", valueName: "file"))
    var to: String?

    @Flag(
        help:
            "With the agent's key and the keys of providers, for its operator only: whoever has the first is the agent."
    )
    var withKeys = false

    @Flag(help: "Without the files of users and answers, and without the workspace.")
    var withoutFiles = false

    @Flag(help: "Overwrite a file that is there.")
    var force = false

    @OptionGroup var target: TargetOptions

    func validate() throws {
        if directory != nil, target.agentDirectory != nil || target.node != nil || target.proxy != nil {
            throw ValidationError("the agent is named twice: give DIR alone")
        }
    }

    func run() async throws {
        var target = target
        if let directory { target.agentDirectory = directory }
        let now = Date()
        let stamp = now.formatted(.iso8601.dateSeparator(.omitted).timeSeparator(.omitted))
        let file = try NewFile(to, named: "openagent-backup-\(stamp).tar", force: force)
        let progress = ProgressLine("saving", total: 0)
        var size: Int64 = 0
        do {
            defer { progress.end() }
            let take = { (bytes: ByteBuffer) throws in
                try file.write(bytes)
                size += Int64(bytes.readableBytes)
                progress.count(size)
            }
            if let stopped = try target.stoppedAgent() {
                let backup = try await Backup.begin(
                    stopped: stopped, BackupOptions(withKeys: withKeys, withFiles: !withoutFiles),
                    environment: AgentOptions.environment, version: OpenAgentVersion.current,
                    now: now.timeIntervalSince1970)
                while let bytes = try await backup.next() { try take(bytes) }
            } else {
                let wanted = try JSONEncoder().encode(NewBackup(withKeys: withKeys, withFiles: !withoutFiles))
                try await target.ask { agent in
                    try await agent.download(
                        AdministrationRequest(method: .POST, path: "/api/backup", body: Array(wanted))
                    ) { try take(ByteBuffer(bytes: $0)) }
                }
            }
            try file.finish()
        } catch {
            file.remove()
            throw error
        }
        do {
            let contents = try BackupArchive(file.path).check()
            try BackupReport(path: file.path, contents: contents).show(
                json: target.json,
                "\(file.path)  \(Transfer.size(contents.size))  \(contents.files) files, \(contents.notes) of them notes"
            )
        } catch {
            unlink(file.path)
            throw error
        }
    }
}

struct Restore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make an agent of a backup, in a new directory.",
        discussion: "The whole file is checked first; until everything is right, nothing of it is there.")

    @Argument(help: ArgumentHelp("A file that 'openagent backup' has made.", valueName: "file"))
    var file: String

    @Argument(help: ArgumentHelp("The directory to make.", valueName: "dir"))
    var directory: String?

    @Option(help: ArgumentHelp("The agent's identity.key, for a backup without keys.", valueName: "path"))
    var key: String?

    @Flag(help: "Only look whether the file is whole and sound; restore nothing.")
    var check = false

    @Flag(help: "Print one JSON document.")
    var json = false

    func validate() throws {
        guard check == (directory == nil) else {
            throw ValidationError("name the directory to make, or give --check alone")
        }
    }

    func run() async throws {
        guard FileManager.default.fileExists(atPath: file) else {
            throw CommandError(
                .usage, "there is no file \(file)", hint: "name a file that 'openagent backup' has made")
        }
        let archive = BackupArchive(file)
        guard let directory else {
            let contents = try archive.check()
            return try BackupReport(path: file, contents: contents).show(
                json: json,
                "the backup is sound: \(contents.information.name), \(contents.files) files, made "
                    + Date(timeIntervalSince1970: contents.information.createdAt).formatted(.iso8601))
        }
        let place = AgentDirectory(directory)
        let contents = try archive.restore(to: place, key: key)
        try BackupReport(path: place.path, contents: contents).show(
            json: json, "\(contents.information.name) is restored in \(place.path): \(contents.files) files")
    }
}
