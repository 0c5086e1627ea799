internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Store
internal import Wire

// How does a file come in? As the first file of a form, in one go; or in pieces, of which each says where it begins. Never in
// memory: a piece is on the disk before the next one is read.

enum UploadRoutes {
    /// What a form may have besides the file, in bytes.
    static let formOverhead: Int64 = 64 * 1024
    /// UTF-8 bytes of a name as the client sends it; what is kept is shorter.
    private static let longestName = 1_024

    /// `POST /api/upload`
    ///
    /// - Parameter announced: told the id of a file that is complete, and that a piece is nothing to tell.
    static func upload(
        _ request: Request, _ announced: Announced, by caller: Caller, in store: ArtifactStore
    ) async throws -> Response {
        do {
            if let range = request.headers[.contentRange] {
                return try await piece(request, range: range, announced, by: caller, in: store)
            }
            return try await form(request, announced, by: caller, in: store)
        } catch let error as FileError {
            return try refusal(error, store)
        }
    }

    // MARK: A form

    private static func form(
        _ request: Request, _ announced: Announced, by caller: Caller, in store: ArtifactStore
    ) async throws -> Response {
        guard let type = request.headers[.contentType], var reader = MultipartReader(contentType: type) else {
            throw ErrorResponse.invalid(
                "No file", hint: "Send multipart/form-data with a file, or a piece of one with Content-Range.")
        }
        let longest = store.files.largest.addingReportingOverflow(formOverhead).partialValue
        if let length = request.headers[.contentLength].flatMap({ Int64($0) }), length > longest {
            throw FileError.tooLarge(limit: store.files.largest)
        }
        var file: (draft: ArtifactStore.Draft, name: String, type: String?)?
        do {
            var unused: Int64 = 0
            for try await bytes in request.body {
                for event in try reader.read(bytes) {
                    switch event {
                    case .part(let header):
                        guard let name = fileName(header) else { continue }
                        file = (try await store.begin(owner: caller.handle), name, header.fields["content-type"])
                    case .data(let data):
                        if let file { try await file.draft.writer.append(data) }
                        unused += file == nil ? Int64(data.readableBytes) : 0
                        guard unused <= formOverhead else { throw MultipartError.malformed }
                    case .endOfPart:
                        guard let done = file else { continue }
                        let record = try await store.keep(
                            done.draft,
                            as: .init(
                                owner: caller.handle, filename: done.name,
                                mimeType: mediaType(done.type, FileName.safe(done.name))))
                        announced.set(id: record.id)
                        return try JSON.response(store.body(record), status: .created)
                    case .end: throw ErrorResponse.invalid("No file")
                    }
                }
            }
            try reader.finish()
            throw ErrorResponse.invalid("No file")
        } catch {
            if let file { await store.discard(file.draft) }
            if error is MultipartError {
                throw ErrorResponse(
                    status: .badRequest, code: .badMessage, message: "The form is broken or not complete.")
            }
            throw error
        }
    }

    /// The name of the part's file; nil when the part is none.
    static func fileName(_ header: MultipartHeader) -> String? {
        guard let part = header.disposition else { return nil }
        guard let name = part.filename ?? (part.name == "file" ? "" : nil) else { return nil }
        return String(name.suffix(longestName))
    }

    // MARK: A piece

    private static func piece(
        _ request: Request, range: String, _ announced: Announced, by caller: Caller, in store: ArtifactStore
    ) async throws -> Response {
        let piece = try piece(request, range: range, owner: caller.handle)
        if let length = request.headers[.contentLength].flatMap({ Int64($0) }), length != piece.range.bytes.count {
            throw ErrorResponse.invalid("Content-Length and Content-Range say different things.")
        }
        switch try await store.claim(piece) {
        case .complete(let record):
            announced.silence()
            return try JSON.response(store.body(record), status: .created)
        case .write(let writer):
            do {
                for try await bytes in request.body { try await writer.append(bytes) }
                let progress = try await store.release(writer, piece)
                if let file = progress.file {
                    announced.set(id: file.id)
                    return try JSON.response(file, status: .created)
                }
                guard progress.received == piece.range.bytes.upperBound else {
                    throw FileError.wrongOffset(received: progress.received)
                }
                announced.silence()
                return try JSON.response(progress, status: .accepted)
            } catch {
                await store.abandon(writer, piece, isHopeless: error as? FileError == .noSpace)
                if case FileError.tooLarge = error {
                    throw ErrorResponse.invalid("There are more bytes than Content-Range says.")
                }
                throw error
            }
        }
    }

    private static func piece(_ request: Request, range: String, owner: String) throws -> ArtifactStore.Piece {
        guard let range = ContentRange(range) else {
            throw ErrorResponse.invalid("Content-Range is 'bytes FIRST-LAST/TOTAL', or 'bytes */0' for an empty file.")
        }
        guard let id = request.headers[.uploadID], (16...128).contains(id.utf8.count),
            id.utf8.allSatisfy({ (48...57).contains($0) || (65...90).contains($0 & 0xDF) || $0 == 45 || $0 == 95 })
        else {
            throw ErrorResponse.invalid("Upload-Id is 16 to 128 random letters, digits, '-' and '_'.")
        }
        guard let name = request.uri.queryParameters.get("filename"), name.utf8.count <= longestName else {
            throw ErrorResponse.invalid("'filename' is missing in the query, or too long.")
        }
        let digest = try request.queryValue("sha256")?.lowercased()
        guard digest == nil || digest?.wholeMatch(of: /[0-9a-f]{64}/) != nil else {
            throw ErrorResponse.invalid("'sha256' is 64 hexadecimal digits.")
        }
        let safe = FileName.safe(name)
        return ArtifactStore.Piece(
            owner: owner, uploadID: id, filename: safe, mimeType: MediaType.of(safe), range: range, sha256: digest)
    }

    // MARK: Answers

    /// By the name where it tells; what a client says counts only where it cannot do harm.
    private static func mediaType(_ said: String?, _ filename: String) -> String {
        let byName = MediaType.of(filename)
        guard byName == MediaType.unknown, let said else { return byName }
        let type = said.prefix { $0 != ";" }.lowercased().filter { $0 != " " }
        let isPlain = type.utf8.count <= 100 && type.wholeMatch(of: /[a-z0-9.+-]+\/[a-z0-9.+-]+/) != nil
        return isPlain ? type : byName
    }

    private static func refusal(_ error: FileError, _ store: ArtifactStore) throws -> Response {
        func answer(_ status: HTTPResponse.Status, _ body: FileErrorBody) throws -> Response {
            try JSON.response(body, status: status)
        }
        switch error {
        case .tooLarge(let limit):
            return try answer(
                .contentTooLarge,
                .init(
                    code: .tooLarge, message: "A file may have \(limit) bytes.",
                    hint: "The agent's owner sets limits.file_size in openagent.yaml.", limitBytes: limit))
        case .noSpace:
            return try answer(
                HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage"),
                .init(
                    code: .unavailable, message: "The agent's disk is full; nothing was kept.",
                    hint: "Make room on the agent's machine."))
        case .overQuota:
            return try answer(
                HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage"),
                .init(
                    code: .unavailable, message: "You have as many files here as one user may have; nothing was kept.",
                    hint: "Delete some with: openagent files rm ID"))
        case .superseded:
            return try answer(
                .conflict, .init(code: .conflict, message: "Another request goes on with this upload."))
        case .tooManyUploads:
            return try answer(
                .tooManyRequests,
                .init(
                    code: .queueFull, message: "Too many of your uploads are not finished.",
                    hint: "Finish one; those that nobody goes on with are forgotten after a day."))
        case .wrongOffset(let received):
            return try answer(
                .conflict,
                .init(code: .conflict, message: "The next piece begins at byte \(received).", received: received))
        case .otherFile:
            return try answer(
                .conflict, .init(code: .invalid, message: "This Upload-Id belongs to another file."))
        case .wrongDigest:
            return try answer(
                .badRequest,
                .init(code: .invalid, message: "The file is not what was announced (SHA-256); nothing was kept."))
        case .failed: throw error
        }
    }
}

extension HTTPField.Name {
    /// Chosen by the client; the same for every piece of a file.
    fileprivate static let uploadID = HTTPField.Name("Upload-Id")!
}
