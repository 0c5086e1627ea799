internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Store
internal import Wire

// How does a user list, fetch and delete files, and see how far an upload is? Every file has one owner; for anybody else it does not exist,
// admin or not. How files come in is in `UploadRoutes.swift`.

enum FileRoutes {
    /// - Parameter store: nil when the agent keeps no files.
    static func routes(_ store: ArtifactStore?) -> [Route] {
        [
            .member(.post, "/api/upload", .upload, announces: .created(.file, to: .caller)) {
                request, context, caller in
                try await UploadRoutes.upload(request, context.announced, by: caller, in: try present(store))
            },
            .member(.get, "/api/upload/{id}", .uploadProgress) { _, context, caller in
                let id = try context.pathPart("id")
                guard let progress = try await present(store).progress(of: id, owner: caller.handle) else {
                    throw ErrorResponse.notFound
                }
                return try JSON.response(progress)
            },
            .member(.get, "/api/files", .files) { request, _, caller in
                let page = try request.page(by: ArtifactRepository.Position.self)
                let rows = try await present(store).list(
                    of: caller.handle, sessionID: try request.queryValue("session_id"), after: page.after,
                    limit: page.limit + 1)
                let (files, cursor) = try page.page(of: rows) { .init(createdAt: $0.createdAt, id: $0.id) }
                return try JSON.response(
                    FilesBody(files: try files.map { FileBody(try present(store).body($0), $0) }, nextCursor: cursor))
            },
            .member(.delete, "/api/files/{id}", .deleteFile, announces: .deleted(.file, "id", to: .caller)) {
                _, context, caller in
                let id = try context.pathPart("id")
                guard try await present(store).delete(id, of: caller.handle) else { throw ErrorResponse.notFound }
                return try JSON.response(FileRemoval(id: id, deleted: true))
            },
            .member(.get, "/api/files/{id}", .file) { request, context, caller in
                let id = try context.pathPart("id")
                let store = try present(store)
                guard let (record, reader) = try await store.open(id, of: caller.handle) else {
                    throw ErrorResponse.notFound
                }
                return answer(request, record, reader)
            },
        ]
    }

    private static func present(_ store: ArtifactStore?) throws(ErrorResponse) -> ArtifactStore {
        guard let store else {
            throw ErrorResponse(
                status: .serviceUnavailable, code: .unavailable, message: "This agent keeps no files.")
        }
        return store
    }

    /// The file, a part of it, or the news that the client has it already.
    private static func answer(_ request: Request, _ record: ArtifactRecord, _ reader: FileReader) -> Response {
        let tag = "\"\(record.sha256)\""
        var headers: HTTPFields = [
            .eTag: tag, .acceptRanges: "bytes", .cacheControl: "private, no-cache", .contentType: contentType(record),
            .contentDisposition: ContentDisposition.header(
                filename: record.filename, isShown: MediaType.isShown(record.mimeType)),
        ]
        // A file that is opened in a browser's window can do nothing there.
        headers[.contentSecurityPolicy] = "default-src 'none'; sandbox"
        if let known = request.headers[.ifNoneMatch], matches(known, tag) {
            return Response(status: .notModified, headers: headers)
        }
        var range = request.headers[.range]
        // RFC 9110 §13.1.5: of another version no part helps.
        if let version = request.headers[.ifRange], version != tag { range = nil }
        switch ByteRange(range, size: record.size) {
        case .whole:
            return Response(status: .ok, headers: headers, body: body(reader, 0..<record.size))
        case .part(let part):
            headers[.contentRange] = "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(record.size)"
            return Response(status: .partialContent, headers: headers, body: body(reader, part))
        case .unsatisfiable:
            headers[.contentRange] = "bytes */\(record.size)"
            return Response(status: .rangeNotSatisfiable, headers: headers)
        }
    }

    private static func contentType(_ record: ArtifactRecord) -> String {
        record.mimeType == "text/plain" ? "text/plain; charset=utf-8" : record.mimeType
    }

    /// RFC 9110 §13.1.2, by weak comparison.
    private static func matches(_ known: String, _ tag: String) -> Bool {
        known == "*"
            || known.split(separator: ",").contains { item in
                let item = item.filter { $0 != " " && $0 != "\t" }
                return item == tag || item == "W/" + tag
            }
    }

    private static func body(_ reader: FileReader, _ range: Range<Int64>) -> ResponseBody {
        ResponseBody(contentLength: Int(range.count)) { writer in
            await reader.seek(to: range.lowerBound)
            var rest = range.count
            while rest > 0 {
                guard let bytes = try await reader.next(atMost: min(rest, FileReader.piece)) else {
                    // Shorter than its row says: the client sees a stream that breaks off, not a file that ends.
                    throw FileError.failed(.init(path: "", operation: "read", code: 0))
                }
                rest -= bytes.readableBytes
                try await writer.write(bytes)
            }
            try await writer.finish(nil)
        }
    }
}

extension FileBody {
    fileprivate init(_ file: StoredFile, _ record: ArtifactRecord) {
        self.init(
            file, origin: record.origin.rawValue, sessionID: record.sessionID, createdAt: record.createdAt)
    }
}
