import Foundation
import Testing

@testable import Certs
@testable import Gateway
@testable import Store
@testable import Wire

// The folder of an agent that keeps files, and what tests want to know of it.

/// Removed with its last owner.
final class TestFiles: Sendable {
    let directory: AgentDirectory
    let largest: Int64

    init(largest: Int64 = 1 << 30) throws {
        directory = AgentDirectory(FileManager.default.temporaryDirectory.path + "/files-\(UUID().uuidString)")
        self.largest = largest
        for folder in [directory.memories, directory.workspace] {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: directory.path) }

    func files(_ database: Store.Database) -> AgentFiles {
        AgentFiles(
            directory: directory, vault: directory.memories, largest: largest,
            repository: ArtifactRepository(database))
    }

    /// Regular files below the folder of files, and those that are being uploaded, relative to the agent's folder.
    var all: [String] {
        let root = directory.path
        return (try? FileManager.default.subpathsOfDirectory(atPath: root))?.filter { path in
            var isFolder: ObjCBool = false
            return (path.hasPrefix("files/") || path.hasPrefix(".openagent/"))
                && FileManager.default.fileExists(atPath: root + "/" + path, isDirectory: &isFolder)
                && !isFolder.boolValue
        }.sorted() ?? []
    }

    func write(_ text: String, to path: String) throws {
        let path = directory.path + "/" + path
        let folder = path.split(separator: "/").dropLast().joined(separator: "/")
        try FileManager.default.createDirectory(atPath: "/" + folder, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }

    /// A file that the owner has uploaded, as a message names it.
    func keep(
        _ name: String, kind: Wire.Attachment.Kind = .file, of owner: String, in database: Store.Database
    ) async throws -> Wire.Attachment {
        let id = UUID().uuidString.lowercased().replacing("-", with: "")
        try write("x", to: "files/\(id)/\(name)")
        try await ArtifactRepository(database).insert(
            ArtifactRecord(
                id: id, owner: owner, filename: name, mimeType: "text/plain", size: 1, sha256: sha256("x"),
                origin: .upload, createdAt: 0))
        return Wire.Attachment(kind: kind, path: "\(directory.files)/\(id)/\(name)", filename: name, id: id)
    }

    func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }
}

extension TestStream {
    /// A form with one file; `path` may carry a query.
    func upload(
        _ text: String, as filename: String, boundary: String = "XbX", type: String? = nil
    ) async throws -> TestResponse {
        let part =
            "--\(boundary)\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\(filename)\"\r\n"
            + (type.map { "Content-Type: \($0)\r\n" } ?? "") + "\r\n\(text)\r\n--\(boundary)--\r\n"
        return try await post(part, type: "multipart/form-data; boundary=\(boundary)")
    }

    func post(_ body: String, to path: String = "/api/upload", type: String, headers: String = "") async throws
        -> TestResponse
    {
        try await send(
            "POST \(path) HTTP/1.1\r\nHost: agent\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\n"
                + headers + "\r\n" + body)
        return try #require(try await response())
    }

    /// A piece of an upload.
    func piece(
        _ text: String, at offset: Int, of total: Int, id: String, filename: String = "a.txt", query: String = ""
    ) async throws -> TestResponse {
        let range = text.isEmpty ? "*" : "\(offset)-\(offset + text.utf8.count - 1)"
        return try await post(
            text, to: "/api/upload?filename=\(filename)\(query)", type: "application/octet-stream",
            headers: "Upload-Id: \(id)\r\nContent-Range: bytes \(range)/\(total)\r\n")
    }
}

/// Looks again and again until `condition` holds.
func eventually(
    _ what: String, _ condition: @escaping @Sendable () async throws -> Bool
) async throws {
    try await within(30, what) {
        while try await !condition() { try await Task.sleep(for: .milliseconds(5)) }
    }
}

/// 64 hexadecimal digits.
func sha256(_ text: String) -> String {
    let digest = RunningDigest()
    Array(text.utf8).withUnsafeBytes { digest.update($0) }
    return digest.finish()
}
