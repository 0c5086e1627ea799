internal import Agent
internal import Certs
internal import Foundation
internal import Glibc
internal import Logging
internal import NIOCore
internal import Store
internal import Transport
internal import Wire

// How does a file come to be kept, whole or not at all? Bytes are gathered beside the files that people see; a complete one is
// made durable and moved, and a row makes it visible at last. Whoever asks was authorized before; here every file has an
// owner and is nobody else's. How uploads go on piece by piece is in `PiecewiseUploads.swift`.

/// The files of one agent.
actor ArtifactStore {
    private let executor = BlockingExecutor(label: "openagent.files")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    nonisolated let files: AgentFiles
    let uploads: UploadFolder
    /// Through which files are removed: a backup may still need them.
    nonisolated let gate = RemovalGate()
    let logger: Logger
    private let random: Randomness
    /// Unix seconds.
    let now: @Sendable () -> Double
    /// Who writes which unfinished upload at the moment.
    var active: [String: FileWriter] = [:]
    /// Uploads in one piece that are under way, by owner.
    private var whole: [String: Int] = [:]

    /// A file that arrives in one go.
    struct Draft: Sendable {
        let key: String
        let owner: String
        let writer: FileWriter
    }

    /// What is known of a file that is complete.
    struct Description: Sendable {
        var owner: String
        var sessionID: String?
        var filename: String
        var mimeType: String
        var origin = ArtifactRecord.Origin.upload
        var uploadID: String?
    }

    /// Clears away what an earlier process left half done.
    init(
        _ files: AgentFiles, random: Randomness = .system, logger: Logger, now: @escaping @Sendable () -> Double
    ) {
        self.files = files
        self.random = random
        self.logger = logger
        self.now = now
        uploads = UploadFolder(path: files.directory.uploads)
        Self.recover(files, uploads, logger, now() - files.uploadMemory)
    }

    private static func recover(_ files: AgentFiles, _ uploads: UploadFolder, _ logger: Logger, _ oldest: Double) {
        for id in uploads.marked() where AgentFiles.isID(id) {
            do {
                if try !files.repository.contains(id) {
                    logger.notice("files::orphan_removed", metadata: ["id": "\(id)"])
                    try? FileManager.default.removeItem(atPath: "\(files.directory.files)/\(id)")
                }
                uploads.unmark(id)
            } catch {
                logger.error("files::not_recovered", metadata: ["error": "\(error)"])
            }
        }
        uploads.removeOrphans()
        uploads.sweep(before: oldest, keeping: { _ in false })
    }

    // MARK: In one piece

    /// Room for a file that arrives in one go. Every draft is either kept or discarded.
    func begin(owner: String) throws(FileError) -> Draft {
        let count = whole[owner, default: 0]
        guard count < files.unfinishedUploads else { throw .tooManyUploads }
        try prepareFolder()
        let key = random.hex(16)
        let writer = try FileWriter(uploads.data(key), limit: files.largest)
        active[key] = writer
        whole[owner] = count + 1
        return Draft(key: key, owner: owner, writer: writer)
    }

    /// The file is complete.
    func keep(_ draft: Draft, as description: Description) async throws -> ArtifactRecord {
        let (size, sha256) = try await draft.writer.finish()
        defer { forget(draft) }
        return try await keep(draft.key, size: size, sha256: sha256, as: description)
    }

    /// Nothing comes of it. Harmless after ``keep(_:as:)``.
    func discard(_ draft: Draft) async {
        await draft.writer.close()
        uploads.remove(draft.key)
        forget(draft)
    }

    private func forget(_ draft: Draft) {
        guard active.removeValue(forKey: draft.key) != nil else { return }
        let count = whole[draft.owner, default: 1] - 1
        whole[draft.owner] = count > 0 ? count : nil
    }

    // MARK: Keeping

    /// Moves the bytes of an upload to the files and makes them visible. On any failure the bytes are gone.
    func keep(
        _ key: String, size: Int64, sha256: String, as description: Description
    ) async throws -> ArtifactRecord {
        let record = ArtifactRecord(
            id: random.hex(16), owner: description.owner, sessionID: description.sessionID,
            filename: FileName.safe(description.filename), mimeType: description.mimeType, size: size, sha256: sha256,
            origin: description.origin, uploadID: description.uploadID, createdAt: now())
        do {
            try await checkQuota(of: description.owner, adding: size)
            try uploads.mark(moving: record.id)
            try move(uploads.data(key), to: record)
            try await files.repository.insert(record)
        } catch {
            try? FileManager.default.removeItem(atPath: "\(files.directory.files)/\(record.id)")
            uploads.unmark(record.id)
            uploads.remove(key)
            if let error = error as? PrivateFileError { throw FileError(error) }
            throw error
        }
        uploads.unmark(record.id)
        uploads.remove(key)
        logger.info(
            "files::kept",
            metadata: ["id": "\(record.id)", "size": "\(size)", "origin": "\(record.origin.rawValue)"])
        return record
    }

    private func move(_ source: String, to record: ArtifactRecord) throws(PrivateFileError) {
        let folder = "\(files.directory.files)/\(record.id)"
        try PrivateFile.createFolder(files.directory.files)
        try PrivateFile.createFolder(folder)
        let target = files.path(of: record)
        guard rename(source, target) == 0 else { throw .init(path: target, operation: "create", code: errno) }
        // A name is durable only when its folder is.
        try PrivateFile.syncFolder(folder)
        try PrivateFile.syncFolder(files.directory.files)
    }

    func prepareFolder() throws(FileError) {
        do { try uploads.create() } catch { throw FileError(error) }
        uploads.sweep(before: now() - files.uploadMemory) { active[$0] != nil }
    }

    /// - Throws: ``FileError/overQuota``, and what goes wrong in the database.
    func checkQuota(of owner: String, adding bytes: Int64) async throws {
        let usage = try await files.repository.usage(of: owner)
        guard usage.files < files.filesPerUser, usage.bytes <= files.bytesPerUser - bytes else {
            throw FileError.overQuota
        }
    }

    // MARK: Deleting

    /// Forgets a file and removes its bytes, which may be gone already.
    ///
    /// - Returns: false when the owner has none of this id.
    func delete(_ id: String, of owner: String) async throws -> Bool {
        guard let record = try await files.repository.artifact(id, of: owner) else { return false }
        try uploads.create()
        // Should the process die behind the row's end, the next one removes the bytes.
        try uploads.mark(moving: record.id)
        guard try await files.repository.delete(record.id, of: owner) else { return false }
        let (folder, uploads) = ("\(files.directory.files)/\(record.id)", uploads)
        gate.remove {
            try? FileManager.default.removeItem(atPath: folder)
            uploads.unmark(record.id)
        }
        logger.info("files::deleted", metadata: ["id": "\(record.id)"])
        return true
    }

    // MARK: Asking

    /// The owner's files, the newest first.
    func list(
        of owner: String, sessionID: String?, after: ArtifactRepository.Position?, limit: Int
    ) async throws -> [ArtifactRecord] {
        try await files.repository.artifacts(of: owner, sessionID: sessionID, after: after, limit: limit)
    }

    /// One of the owner's files, if its bytes are there.
    func open(_ id: String, of owner: String) async throws -> (ArtifactRecord, FileReader)? {
        guard AgentFiles.isID(id), let record = try await files.repository.artifact(id, of: owner) else { return nil }
        do {
            let reader = try FileReader(files.path(of: record))
            guard reader.size == record.size else {
                logger.error("files::changed", metadata: ["id": "\(id)"])
                return nil
            }
            return (record, reader)
        } catch {
            logger.error("files::unreadable", metadata: ["id": "\(id)", "error": "\(error)"])
            return nil
        }
    }

    /// The file that a client names by id, or by the path that an upload told it, as it is told to others.
    func resolve(_ attachment: Attachment, of owner: String) async throws -> Attachment? {
        let named =
            attachment.id.flatMap { $0.isEmpty ? nil : (id: $0, filename: nil as String?) }
            ?? files.id(in: attachment.path).map { ($0.id, $0.filename) }
        guard let named, let (record, _) = try await open(named.id, of: owner),
            named.filename == nil || named.filename == record.filename
        else { return nil }
        return self.attachment(record, kind: attachment.kind)
    }

    nonisolated func attachment(_ record: ArtifactRecord, kind: Attachment.Kind) -> Attachment {
        Attachment(
            kind: kind, path: files.path(of: record), filename: record.filename, mimeType: record.mimeType,
            id: record.id, size: record.size)
    }

    nonisolated func body(_ record: ArtifactRecord) -> StoredFile {
        StoredFile(
            id: record.id, path: files.path(of: record), filename: record.filename, url: "/api/files/\(record.id)",
            mimeType: record.mimeType, size: record.size, sha256: record.sha256)
    }
}
