internal import Foundation
internal import Synchronization

// Where do files lie while they are on their way? Each in a folder of its own, which nobody else can read and which goes with it.

enum BridgeFolder {
    private static let start = "bridge-"

    /// A new folder in `parent`.
    static func make(in parent: String) throws -> String {
        let path = parent + "/" + start + UUID().uuidString.lowercased()
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        return path
    }

    static func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }

    /// What an earlier process left.
    static func clear(_ parent: String) {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? [] where name.hasPrefix(start) {
            remove(parent + "/" + name)
        }
    }
}

/// Writes a new file, up to a limit.
final class FileWriter: Sendable {
    private let state: Mutex<(file: FileHandle, room: Int64)>
    private let limit: Int64

    /// What is there is overwritten.
    init(_ path: String, limit: Int64) throws {
        guard
            FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600]),
            let file = FileHandle(forWritingAtPath: path)
        else { throw CocoaError(.fileWriteUnknown) }
        state = Mutex((file, limit))
        self.limit = limit
    }

    deinit { state.withLock { try? $0.file.close() } }

    /// Bytes that were written.
    var size: Int64 { limit - state.withLock { $0.room } }

    /// - Returns: false when that is more than the limit; then nothing is written.
    func write(_ bytes: some DataProtocol & Sendable) throws -> Bool {
        try state.withLock { state in
            guard Int64(bytes.count) <= state.room else { return false }
            state.room -= Int64(bytes.count)
            try state.file.write(contentsOf: bytes)
            return true
        }
    }
}
