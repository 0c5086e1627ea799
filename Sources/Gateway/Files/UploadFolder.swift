internal import Certs
internal import Foundation
internal import Store

// What is on the disk of a file that is not complete yet? Beside the bytes a note that says whose they are and what they are
// to become, so that an upload goes on after a restart; and for the moment in which a file changes from here to there a
// mark, so that a start after a crash knows what to clear away. All calls block.

/// The folder of unfinished files.
struct UploadFolder: Sendable {
    /// What an upload in pieces is to become.
    struct Note: Codable, Equatable {
        var owner: String
        var uploadID: String
        var filename: String
        var mimeType: String
        var total: Int64
        /// What the client says that the whole file has, 64 hexadecimal digits.
        var sha256: String?
    }

    let path: String

    // MARK: Names

    /// An upload's name here, the same after a restart. Users who choose the same id never meet.
    static func key(_ uploadID: String, of owner: String) -> String {
        let digest = RunningDigest()
        Array("\(owner)\u{0}\(uploadID)".utf8).withUnsafeBytes { digest.update($0) }
        return digest.finish()
    }

    func data(_ key: String) -> String { "\(path)/\(key).part" }
    private func note(_ key: String) -> String { "\(path)/\(key).json" }
    private func mark(_ id: String) -> String { "\(path)/\(id).moving" }

    // MARK: Uploads

    func create() throws(PrivateFileError) {
        try PrivateFile.createFolder(path)
        try PrivateFile.close(toOthers: path)
    }

    /// Nil when there is no such upload, or what stands there makes no sense.
    func readNote(_ key: String) -> Note? {
        guard let bytes = try? PrivateFile.read(note(key)) else { return nil }
        return try? JSONDecoder().decode(Note.self, from: Data(bytes))
    }

    func write(_ note: Note, _ key: String) throws(PrivateFileError) {
        // A value of texts and numbers always has a JSON form.
        try PrivateFile.replace(self.note(key), with: (try? JSONEncoder().encode(note)).map(Array.init) ?? [])
    }

    /// Bytes that have arrived.
    func received(_ key: String) -> Int64 { size(data(key)) ?? 0 }

    func remove(_ key: String) {
        unlink(data(key))
        unlink(note(key))
    }

    /// The uploads that can be gone on with.
    func notes() -> [(key: String, note: Note)] {
        names().filter { $0.hasSuffix(".json") }.compactMap { name in
            let key = String(name.dropLast(5))
            return readNote(key).map { (key, $0) }
        }
    }

    /// Removes what nobody has touched since `time`, in Unix seconds.
    ///
    /// - Parameter keeping: keys that are in use.
    func sweep(before time: Double, keeping: (String) -> Bool) {
        for name in names() where !name.hasSuffix(".moving") {
            let key = String(name.prefix { $0 != "." })
            guard !keeping(key), let touched = modified("\(path)/\(name)"), touched < time else { continue }
            // An upload's note is older than its bytes.
            if name.hasSuffix(".json"), let data = modified(data(key)), data >= time { continue }
            unlink("\(path)/\(name)")
        }
    }

    /// Removes what only a living request could go on with.
    func removeOrphans() {
        let names = Set(names())
        for name in names where name.hasSuffix(".part") && !names.contains(name.dropLast(5) + ".json") {
            unlink("\(path)/\(name)")
        }
    }

    // MARK: Moving

    /// From now until ``unmark(_:)`` there may be a file of this id that nobody knows.
    func mark(moving id: String) throws(PrivateFileError) {
        _ = try PrivateFile.createIfMissing(mark(id), with: [])
    }

    func unmark(_ id: String) { unlink(mark(id)) }

    /// The ids of files that were being moved when a process died.
    func marked() -> [String] { names().filter { $0.hasSuffix(".moving") }.map { String($0.dropLast(7)) } }

    // MARK: Disk

    private func names() -> [String] { (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] }

    private func status(_ path: String) -> stat? {
        var status = stat()
        return lstat(path, &status) == 0 ? status : nil
    }

    private func size(_ path: String) -> Int64? { status(path).map { Int64($0.st_size) } }

    private func modified(_ path: String) -> Double? { status(path).map { Double($0.st_mtim.tv_sec) } }
}
