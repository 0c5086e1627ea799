internal import Certs
internal import Foundation
internal import Glibc
internal import Store
internal import Transport

// Is this file a backup, and how does it become an agent again? It is read from its beginning to its end, once, and what it holds
// is written into a new folder beside the place where the agent will be. Only when everything was read, the sums agree and
// the database is sound does the folder get its name; until then, and if anything is wrong, nobody sees any of it. An archive
// is not trusted: it names files of a known layout, once each, or it is refused.

/// A backup in a file.
public struct BackupArchive: Sendable {
    /// What was found in a backup.
    public struct Contents: Codable, Sendable, Equatable {
        public var information: BackupInformation
        /// Names in the archive.
        public var files = 0
        /// Files below the vault.
        public var notes = 0
        /// Bytes of the archive.
        public var size: Int64 = 0
        /// Files that the database names and the backup does not hold.
        public var missingFiles = 0
        /// What a person has to do before the agent can be served, in sentences.
        public var remarks: [String] = []

        private enum CodingKeys: String, CodingKey {
            case information = "backup"
            case files, notes, size, remarks
            case missingFiles = "missing_files"
        }
    }

    private let path: String

    public init(_ path: String) { self.path = path }

    /// Reads the whole archive and writes nothing that stays.
    ///
    /// - Throws: ``BackupError``
    public func check() throws -> Contents {
        let folder = FileManager.default.temporaryDirectory.path + "/openagent-check-\(Base16.encode(randomBytes(8)))"
        return try unpack(to: folder, isWhole: false) { _, contents in contents }
    }

    /// Makes an agent of the backup in `directory`, which must not be there, or be empty.
    ///
    /// - Parameter key: a file with the agent's key, for a backup that holds none.
    /// - Throws: ``BackupError``; then nothing has changed.
    public func restore(to directory: AgentDirectory, key: String? = nil) throws -> Contents {
        let target = directory.path
        if let names = try? FileManager.default.contentsOfDirectory(atPath: target) {
            guard names.isEmpty else { throw BackupError.targetNotEmpty(path: target) }
        } else if FileManager.default.fileExists(atPath: target) {
            throw BackupError.targetNotEmpty(path: target)
        }
        let parent = target.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" }
        try Self.failing { () throws(PrivateFileError) in try PrivateFile.createFolder(parent.isEmpty ? "/" : parent) }
        let space = SystemMonitor.space(of: parent.isEmpty ? "/" : parent)
        let needed = Int64((try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0)
        guard space.total == 0 || space.total - space.used > needed else { throw BackupError.noSpace(needed: needed) }
        return try unpack(to: "\(target).restoring-\(Base16.encode(randomBytes(4)))", isWhole: true) {
            folder, contents in
            var contents = contents
            try Self.place(key, in: folder, of: &contents)
            try Self.placeNotes(in: folder, of: &contents)
            // Everything is on the disk before it has its name.
            sync()
            // An empty folder is replaced; one that somebody filled meanwhile is not.
            guard rename(folder, target) == 0 else {
                if errno == ENOTEMPTY || errno == EEXIST { throw BackupError.targetNotEmpty(path: target) }
                throw BackupError.failed("cannot make \(target): \(String(cString: strerror(errno)))")
            }
            try? PrivateFile.syncFolder(parent.isEmpty ? "/" : parent)
            return contents
        }
    }

    /// Unpacks into a folder that is gone when this ends, unless `body` has moved it.
    private func unpack(
        to folder: String, isWhole: Bool, _ body: (String, Contents) throws -> Contents
    ) throws -> Contents {
        try Self.failing { () throws(PrivateFileError) in
            guard mkdir(folder, 0o700) == 0 else { throw .init(path: folder, operation: "create", code: errno) }
        }
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var unpacking = try BackupUnpacking(path, into: folder, isWhole: isWhole)
        var contents = try unpacking.run()
        let database = "\(folder)/\(BackupLayout.database)"
        guard FileManager.default.fileExists(atPath: database) else {
            throw BackupError.damaged(path: path, reason: "it holds no database")
        }
        do {
            let examination = try DatabaseExamination(path: database)
            if examination.isNewer { throw BackupError.newer(path: path) }
            guard examination.integrityProblems.isEmpty else { throw StorageFault.damaged }
            if contents.information.withFiles {
                contents.missingFiles = try DatabaseSnapshot.files(in: database).count { file in
                    unpacking.userFiles["\(BackupLayout.files)\(file.id)/\(file.filename)"] != file.size
                }
            }
        } catch let error as StorageFault {
            throw BackupError.damaged(path: path, reason: "its database can't be used: \(error)")
        }
        return try body(folder, contents)
    }

    // MARK: What an agent needs

    private static func place(_ key: String?, in folder: String, of contents: inout Contents) throws {
        let target = "\(folder)/\(BackupLayout.identityKey)"
        let node = contents.information.nodeID
        if contents.information.withoutSecrets == true {
            contents.remarks.append(
                "the backup holds no secrets: set the keys of providers, the values of MCP servers' environments and headers, "
                    + "and what is [redacted] in openagent.yaml again")
        }
        if let key {
            guard let secret = try? SecretKey.load(path: key), node.isEmpty || secret.nodeID.hex == node else {
                throw BackupError.otherKey(wanted: node)
            }
            let bytes = try? PrivateFile.read(key)
            try failing { () throws(PrivateFileError) in try PrivateFile.replace(target, with: (bytes ?? nil) ?? []) }
        }
        guard let secret = try? SecretKey.load(path: target) else {
            contents.remarks.append(
                "the backup holds no key: before the agent is served, put the identity.key of node \(node) into its folder; "
                    + "without it devices do not know the agent, and it does not start")
            return
        }
        guard node.isEmpty || secret.nodeID.hex == node else { throw BackupError.otherKey(wanted: node) }
        contents.remarks.append(
            "it is node \(node), the same agent: stop the other one for good before this one is served")
    }

    /// The notes lay in the archive under a name of its own.
    private static func placeNotes(in folder: String, of contents: inout Contents) throws {
        let place = contents.information.vault ?? "memories"
        let source = folder + "/" + BackupLayout.vault.dropLast()
        if place != BackupLayout.vault.dropLast(), FileManager.default.fileExists(atPath: source) {
            let target = "\(folder)/\(place)"
            let aside = folder + "/.notes"
            try move(source, aside)
            let above = target.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" }
            try failing { () throws(PrivateFileError) in try PrivateFile.createFolder(above) }
            try move(aside, target)
        }
        guard contents.information.vault == nil else { return }
        // They lay elsewhere, where they may still lie: this agent must not write there.
        let path = "\(folder)/\(BackupLayout.configuration)"
        guard let bytes = (try? PrivateFile.read(path)) ?? nil else { return }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        let changed = lines.map { line in
            guard let match = line.prefixMatch(of: /\s+vault_path\s*:/) else { return String(line) }
            return "\(line[match.range]) \(place) # was:\(line[match.range.upperBound...])"
        }
        try failing { () throws(PrivateFileError) in
            try PrivateFile.replace(path, with: Array(changed.joined(separator: "\n").utf8))
        }
        contents.remarks.append("the notes lay outside of the agent's folder; they are in \(place)/ now")
    }

    private static func move(_ source: String, _ target: String) throws {
        guard rename(source, target) == 0 else {
            throw BackupError.failed("cannot make \(target): \(String(cString: strerror(errno)))")
        }
    }

    static func failing<T>(_ body: () throws(PrivateFileError) -> T) throws -> T {
        do { return try body() } catch { throw BackupError.failed(error.description) }
    }
}
