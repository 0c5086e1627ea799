import Foundation

@testable import Agent

/// A vault with notes, in a folder that goes when nobody holds this any more.
final class TestNotes: Sendable {
    let root: String
    let vault: Vault
    var folder: String { root + "/memories" }

    init(_ notes: [String: String] = [:], limits: Vault.Limits = .init()) throws {
        root = FileManager.default.temporaryDirectory.path + "/notes-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: root + "/memories", withIntermediateDirectories: true)
        vault = Vault(directory: root + "/memories", indexPath: root + "/notes.db", limits: limits) {
            Date().timeIntervalSince1970
        }
        for (path, text) in notes { try write(text, to: path) }
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    func write(_ text: String, to path: String) throws {
        let url = URL(fileURLWithPath: folder + "/" + path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    /// In one step, as editors save.
    func put(_ text: String, at path: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: root + "/new"))
        guard rename(root + "/new", folder + "/" + path) == 0 else { throw CocoaError(.fileWriteUnknown) }
    }

    func text(of path: String) -> String? { try? String(contentsOfFile: folder + "/" + path, encoding: .utf8) }
}
