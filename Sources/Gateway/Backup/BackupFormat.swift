internal import Foundation

// What is in a backup, and under which names? A tar archive that begins with `openagent-backup.json`, which says what it is, and
// ends with `SHA256SUMS`, which covers everything before it in the order in which it stands there; `sha256sum -c` reads it.
// Between them the agent's files lie as in its folder, the notes below `vault/`. Pure.

/// What a backup says about itself.
public struct BackupInformation: Codable, Sendable, Equatable {
    static let currentFormat = 1

    /// The form of the archive.
    public var format = Self.currentFormat
    /// Unix seconds: the moment that the database shows.
    public var createdAt: Double
    /// Of the program that made it.
    public var version: String
    /// The agent's name.
    public var name: String
    /// The agent's node id, 64 hexadecimal digits.
    public var nodeID: String
    /// Whether the agent's key is in it.
    public var withKeys: Bool
    /// Whether the files of users and answers, and the workspace, are in it.
    public var withFiles: Bool
    /// Where the notes lay below the agent's folder; nil when they lay elsewhere.
    public var vault: String?
    /// Symbolic links below vault and workspace that are not followed, the first hundred.
    public var leftOut: [String]?
    /// Whether there were secrets that it does not hold; nil: no.
    public var withoutSecrets: Bool?

    private enum CodingKeys: String, CodingKey {
        case format, version, name, vault
        case leftOut = "left_out"
        case withoutSecrets = "without_secrets"
        case createdAt = "created_at"
        case nodeID = "node_id"
        case withKeys = "with_keys"
        case withFiles = "with_files"
    }
}

/// The names in a backup.
enum BackupLayout {
    static let information = "openagent-backup.json"
    static let sums = "SHA256SUMS"
    static let configuration = "openagent.yaml"
    static let database = "openagent.db"
    static let identityKey = "identity.key"
    static let addressHints = "coordinator_addr.json"
    static let vault = "vault/"
    static let files = "files/"
    static let workspace = "workspace/"
    /// Bytes of the first file at most.
    static let longestInformation: Int64 = 64 << 10
    /// Names in an archive, at most.
    static let mostFiles = 2_000_000

    /// Whether a backup may hold something of this name: relative, with parts that lead nowhere else.
    static func isAllowed(_ path: String) -> Bool {
        guard isRelative(path) else { return false }
        if [information, sums, configuration, database, identityKey, addressHints].contains(path) { return true }
        if path.hasPrefix(files) {
            let parts = path.dropFirst(files.count).split(separator: "/", omittingEmptySubsequences: false)
            return parts.count == 2 && AgentFiles.isID(parts[0]) && !parts[1].hasPrefix(".")
        }
        return path.hasPrefix(vault) || path.hasPrefix(workspace)
    }

    /// Whether this is a path below a folder, in which no part means another folder.
    static func isRelative(_ path: String) -> Bool {
        guard (1...Tar.longestPath).contains(path.utf8.count), !path.utf8.contains(0) else { return false }
        return path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
            !part.isEmpty && part != "." && part != ".." && part.utf8.count <= 255
        }
    }

    /// Whether the notes may lie there below a restored agent's folder: nowhere where something else belongs.
    static func isPlaceOfNotes(_ path: String) -> Bool {
        guard isRelative(path), let first = path.split(separator: "/").first, !first.hasPrefix(".") else {
            return false
        }
        return ![
            "files", "workspace", "logs", "bridges", information, sums, configuration, database, database + "-wal",
            database + "-shm", identityKey, addressHints,
        ].contains(String(first))
    }

    /// A line of the sums, as `sha256sum` writes it: a name with a line's end or a backslash is marked and escaped.
    static func line(_ path: String, sha256: String) -> String {
        let escaped = path.replacing("\\", with: "\\\\").replacing("\n", with: "\\n").replacing("\r", with: "\\r")
        return (escaped == path ? "" : "\\") + "\(sha256)  \(escaped)\n"
    }
}

/// Why there is no backup, or why it is not restored.
public enum BackupError: Error, Equatable, CustomStringConvertible {
    /// Another backup is being made.
    case busy
    case noSpace(needed: Int64)
    /// A file became shorter while it was read.
    case changed(path: String)
    case notABackup(path: String)
    /// It ends early, or is not what its sums say.
    case damaged(path: String, reason: String)
    /// It holds something that no backup holds.
    case hostile(path: String, reason: String)
    /// A newer version made it.
    case newer(path: String)
    case targetNotEmpty(path: String)
    case otherKey(wanted: String)
    /// Nobody knows what is secret in it.
    case configuration(line: Int)
    case failed(String)

    public var description: String {
        switch self {
        case .busy: "another backup of this agent is being made"
        case .noSpace(let needed): "there is no room: \(needed >> 20) MiB are needed"
        case .changed(let path): "\(path) was changed while it was read: try again"
        case .notABackup(let path): "\(path) is no backup of openagent"
        case .damaged(let path, let reason): "\(path) is damaged: \(reason)"
        case .hostile(let path, let reason): "\(path) was not made by openagent: \(reason)"
        case .newer(let path): "\(path) was made by a newer version of openagent: install that version"
        case .targetNotEmpty(let path): "\(path) is there and not empty: a backup is restored to a new place"
        case .otherKey(let wanted): "that is another agent's key: the backup is of node \(wanted)"
        case .configuration(let line):
            "openagent.yaml can't be read (line \(line)), so its secrets can't be left out: repair it first"
        case .failed(let reason): reason
        }
    }
}
