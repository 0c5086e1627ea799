internal import Foundation
internal import Store

// Where does audio lie that a program wants as a file? In a private folder, under names of our own, for as long as the
// program runs. What a crash left is removed when the folder is next used.

/// Temporary audio files. Its calls block, so it has a thread of its own.
public actor VoiceFiles {
    private let folder: String
    private let executor = BlockingExecutor(label: "voice-files")
    private var isPrepared = false

    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// - Parameter folder: belongs to this object alone; everything in it is removed. Made when it is first needed.
    public init(folder: String) { self.folder = folder }

    /// A path of which nobody else knows.
    func newPath(fileExtension: String) throws -> String {
        if !isPrepared {
            try? FileManager.default.removeItem(atPath: folder)
            try PrivateFile.createFolder(folder)
            isPrepared = true
        }
        return "\(folder)/\(UUID().uuidString.lowercased()).\(fileExtension)"
    }

    /// A new file that only its owner may read.
    func write(_ bytes: [UInt8], fileExtension: String) throws -> String {
        let path = try newPath(fileExtension: fileExtension)
        _ = try PrivateFile.createIfMissing(path, with: bytes)
        return path
    }

    func read(_ path: String, limit: Int) throws -> [UInt8]? { try PrivateFile.read(path, limit: limit) }

    func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }
}
