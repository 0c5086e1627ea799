internal import Foundation
internal import Glibc

// Which files of a folder go into a backup? Every regular one, hidden ones too, but none that belongs to the agent itself, should the
// notes lie in the same folder. No link is followed.

/// A folder of the agent's whose files go into a backup.
struct BackupFolder: Sendable {
    /// A file to copy.
    struct Job: Sendable {
        /// In the archive.
        var path: String
        /// On the disk.
        var place: String
        /// Without it there is no backup.
        var isNeeded = false
        /// What it holds, in the place of what lies on the disk.
        var bytes: [UInt8]?
    }

    /// In the archive, with `/` at its end.
    var name: String
    var place: String
    /// What belongs to this agent and is no note, should the notes lie in the same folder.
    var without: AgentDirectory

    /// Whether it is an earlier database, configuration or key of the agent's: they hold what the present ones hold. Or a bridge's
    /// key, which is in no backup: it lets in whoever has it, and a new one is as good.
    private func isCopy(_ path: String) -> Bool {
        AgentDirectory.isBridgeKey(path.split(separator: "/").last ?? "")
            || [without.configuration, without.database, without.identityKey].contains { path.hasPrefix($0 + ".") }
    }

    /// Every regular file below it, hidden ones too, or every symbolic link instead, which none is followed. Blocks.
    func find(links: Bool = false) -> [Job] {
        var jobs: [Job] = []
        var folders = [""]
        let own = Set([
            without.configuration, without.database, without.database + "-wal", without.database + "-shm",
            without.identityKey, without.addressHints, without.state, without.files, without.logs, without.workspace,
            // What a bridge has still to send was sent long before it could come back from here.
            without.bridges,
        ]).subtracting([place])
        while let folder = folders.popLast(), jobs.count < BackupLayout.mostFiles {
            let path = folder.isEmpty ? place : "\(place)/\(folder)"
            for entry in ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() {
                let relative = folder.isEmpty ? entry : "\(folder)/\(entry)"
                var status = stat()
                guard !own.contains("\(place)/\(relative)"), !isCopy("\(place)/\(relative)"),
                    lstat("\(place)/\(relative)", &status) == 0,
                    BackupLayout.isAllowed(name + relative)
                else { continue }
                switch status.st_mode & S_IFMT {
                case links ? S_IFLNK : S_IFREG: jobs.append(Job(path: name + relative, place: "\(place)/\(relative)"))
                case S_IFDIR: folders.append(relative)
                default: break
                }
            }
        }
        return jobs
    }
}
