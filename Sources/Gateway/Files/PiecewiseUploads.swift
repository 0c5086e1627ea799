internal import Foundation
internal import NIOCore
internal import Store
internal import Wire

// How does a large file arrive over connections that break? In pieces that each say where they begin. What has arrived stays
// on the disk with a note of what it is to become; a newer request takes the upload over from one that hangs.

extension ArtifactStore {
    /// A piece of an upload, as announced.
    struct Piece: Sendable {
        var owner: String
        /// Chosen by the client.
        var uploadID: String
        var filename: String
        var mimeType: String
        var range: ContentRange
        /// What the whole file has, if the client says.
        var sha256: String?

        var key: String { UploadFolder.key(uploadID, of: owner) }
    }

    enum Claim: Sendable {
        /// The piece's bytes go here; then ``release(_:_:)``.
        case write(FileWriter)
        /// The upload was completed before.
        case complete(ArtifactRecord)
    }

    /// Takes an upload over for one piece.
    ///
    /// - Throws: ``FileError``
    func claim(_ piece: Piece) async throws -> Claim {
        guard piece.range.total <= files.largest else { throw FileError.tooLarge(limit: files.largest) }
        if let record = try await files.repository.artifact(uploadID: piece.uploadID, of: piece.owner) {
            return .complete(record)
        }
        let key = piece.key
        while let other = active.removeValue(forKey: key) { await other.close() }
        let writer: FileWriter
        if let note = uploads.readNote(key) {
            guard note == piece.note else { throw FileError.otherFile }
            let received = uploads.received(key)
            guard received == piece.range.bytes.lowerBound else { throw FileError.wrongOffset(received: received) }
            writer = try FileWriter(uploads.data(key), resuming: true, limit: piece.range.bytes.upperBound)
        } else {
            guard piece.range.bytes.lowerBound == 0 else { throw FileError.wrongOffset(received: 0) }
            try await checkQuota(of: piece.owner, adding: piece.range.total)
            try makeRoom(for: piece)
            writer = try FileWriter(uploads.data(key), limit: piece.range.bytes.upperBound)
            do { try uploads.write(piece.note, key) } catch {
                uploads.remove(key)
                throw FileError(error)
            }
        }
        active[key] = writer
        return .write(writer)
    }

    /// The piece is over, complete or not.
    ///
    /// - Returns: how far the upload is; with the file when that was the last of it.
    /// - Throws: ``FileError``, and what goes wrong in the database.
    func release(_ writer: FileWriter, _ piece: Piece) async throws -> UploadProgress {
        let key = piece.key
        guard active[key] === writer else { throw FileError.superseded }
        let size = await writer.size
        guard size == piece.range.total else {
            try await writer.sync()
            await writer.close()
            if active[key] === writer { active[key] = nil }
            return UploadProgress(uploadID: piece.uploadID, received: size)
        }
        let sha256 = try await writer.finish().sha256
        guard active[key] === writer else { throw FileError.superseded }
        defer { if active[key] === writer { active[key] = nil } }
        guard piece.sha256 == nil || piece.sha256 == sha256 else {
            uploads.remove(key)
            throw FileError.wrongDigest
        }
        let record = try await keep(
            key, size: size, sha256: sha256,
            as: Description(
                owner: piece.owner, filename: piece.filename, mimeType: piece.mimeType, uploadID: piece.uploadID))
        return UploadProgress(uploadID: piece.uploadID, received: size, file: body(record))
    }

    /// The piece broke off. What has arrived is kept, unless there is no room for the rest.
    func abandon(_ writer: FileWriter, _ piece: Piece, isHopeless: Bool) async {
        await writer.close()
        guard active[piece.key] === writer else { return }
        active[piece.key] = nil
        if isHopeless { uploads.remove(piece.key) }
    }

    /// How far an upload is; nil when there is none of this id.
    func progress(of uploadID: String, owner: String) async throws -> UploadProgress? {
        if let record = try await files.repository.artifact(uploadID: uploadID, of: owner) {
            return UploadProgress(uploadID: uploadID, received: record.size, file: body(record))
        }
        let key = UploadFolder.key(uploadID, of: owner)
        guard uploads.readNote(key) != nil else { return nil }
        return UploadProgress(uploadID: uploadID, received: uploads.received(key))
    }

    /// The uploads of somebody who is no user any more.
    func removeUploads(of owner: String) async {
        for (key, note) in uploads.notes() where note.owner == owner {
            await active.removeValue(forKey: key)?.close()
            uploads.remove(key)
        }
    }

    private func makeRoom(for piece: Piece) throws(FileError) {
        try prepareFolder()
        // Bytes without their note are what a crash left.
        uploads.remove(piece.key)
        let theirs = uploads.notes().map(\.note).filter { $0.owner == piece.owner }
        let bytes = theirs.reduce(Int64(0)) { $0.addingReportingOverflow($1.total).partialValue }
        guard theirs.count < files.unfinishedUploads, bytes <= files.unfinishedBytes - piece.range.total else {
            throw .tooManyUploads
        }
    }
}

extension ArtifactStore.Piece {
    fileprivate var note: UploadFolder.Note {
        UploadFolder.Note(
            owner: owner, uploadID: uploadID, filename: filename, mimeType: mimeType, total: range.total,
            sha256: sha256)
    }
}
