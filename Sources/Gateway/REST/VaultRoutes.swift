internal import Agent
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Store
internal import Wire

// What does the agent remember, and how is it changed? The vault over HTTP: every user of the network reads and writes it.
// What a path may be, what a link means and how a file is replaced is the vault's business; here are only requests and
// answers.

enum VaultRoutes {
    /// Where the path of a note begins.
    static let notes = "/api/vault/notes/"
    private static let mostHits = 100
    private static let longestQuery = 1_024

    /// - Parameter vault: nil when the agent has none.
    static func routes(_ vault: Vault?) -> [Route] {
        [
            .member(.get, "/api/vault/notes", .notes) { request, _, _ in try await list(request, in: present(vault)) },
            .member(.get, "/api/vault/notes/{path:**}", .readNote) { request, _, _ in
                try await read(request, in: present(vault))
            },
            .member(.put, "/api/vault/notes/{path:**}", .writeNote, announces: .updated(.vault, to: .everybody)) {
                request, context, _ in
                try await write(request, context, in: present(vault))
            },
            .member(.delete, "/api/vault/notes/{path:**}", .deleteNote, announces: .deleted(.vault, to: .everybody)) {
                request, context, _ in
                try await delete(request, context, in: present(vault))
            },
            .member(.post, "/api/vault/move", .moveNote, announces: .created(.vault, to: .everybody)) {
                request, context, _ in
                try await move(request, context, in: present(vault))
            },
            .admin(.post, "/api/vault/reindex", .reindexNotes, announces: .nothing(because: "no note changes")) {
                _, _, _ in
                let count = try await answering { try await present(vault).reindex() }
                return try JSON.response(NotesReindexed(notes: count))
            },
            .member(.get, "/api/vault/search", .searchNotes) { request, _, _ in
                try await search(request, in: present(vault))
            },
            .member(.get, "/api/vault/graph", .noteGraph) { _, _, _ in try await graph(of: present(vault)) },
            .member(.get, "/api/vault/backlinks", .backlinks) { request, _, _ in
                try await backlinks(request, in: present(vault))
            },
            .member(.get, "/api/vault/tags", .noteTags) { request, _, _ in try await tags(request, in: present(vault))
            },
        ]
    }

    // MARK: One note

    private static func read(_ request: Request, in vault: Vault) async throws -> Response {
        try await answering {
            let file = try await vault.read(try path(of: request))
            let tag = "\"\(file.tag)\""
            if let known = request.headers[.ifNoneMatch], known == "*" || tags(known, weak: true).contains(file.tag) {
                return Response(status: .notModified, headers: [.eTag: tag])
            }
            if try request.queryFlag("raw") { return bytes(file, tag) }
            let note: VaultNote
            do throws(VaultError) { note = try vault.parse(file) } catch {
                throw ErrorResponse(
                    status: .unsupportedMediaType, code: .notText, message: "The file at \(file.path) is no text.",
                    hint: "Ask for its bytes with ?raw=true.")
            }
            var response = try JSON.response(
                NoteContentBody(
                    path: file.path.description, content: note.text,
                    frontmatter: note.properties, body: note.body, links: note.links,
                    modified: file.modified, etag: tag))
            response.headers[.eTag] = tag
            return response
        }
    }

    /// The file as it is. Opened in a browser's window it can do nothing there.
    private static func bytes(_ file: VaultFile, _ tag: String) -> Response {
        Response(
            status: .ok,
            headers: [
                .eTag: tag,
                .contentType: file.path.isNote ? "text/markdown; charset=utf-8" : "application/octet-stream",
                .contentDisposition: "attachment", .contentSecurityPolicy: "default-src 'none'; sandbox",
            ], body: .init(byteBuffer: ByteBuffer(bytes: file.bytes)))
    }

    private static func write(_ request: Request, _ context: GatewayContext, in vault: Vault) async throws -> Response {
        try await answering {
            let path = try path(of: request)
            let condition = try condition(of: request)
            let content = try await content(of: request, limit: vault.largest(path))
            let (isNew, tag) = try await vault.write(content, to: path, if: condition)
            context.announced.set(id: path.description, action: isNew ? .created : .updated)
            var response = try JSON.response(
                NoteWritten(path: path.description, created: isNew, etag: "\"\(tag)\""))
            response.headers[.eTag] = "\"\(tag)\""
            return response
        }
    }

    /// The text of a JSON body; any other kind of body is the file itself.
    private static func content(of request: Request, limit: Int) async throws -> [UInt8] {
        let isJSON = request.headers[.contentType]?.lowercased().hasPrefix("application/json") ?? true
        // In JSON a line break takes two bytes.
        let longest = isJSON ? 2 * limit + 4096 : limit
        var body = try await request.body.collect(upTo: longest)
        guard isJSON else { return Array(body.readableBytesView) }
        guard let data = body.readData(length: body.readableBytes),
            let wanted = try? JSONDecoder().decode(NoteWrite.self, from: data)
        else {
            throw ErrorResponse(
                status: .badRequest, code: .badMessage, message: "The request's body is not what is expected here.",
                hint: #"Send {"content": "…"}, or the file itself with another content type than JSON."#)
        }
        return Array((wanted.content ?? "").utf8)
    }

    private static func delete(_ request: Request, _ context: GatewayContext, in vault: Vault) async throws -> Response
    {
        try await answering {
            let path = try path(of: request)
            try await vault.delete(path, if: try condition(of: request))
            context.announced.set(id: path.description)
            return try JSON.response(NoteDeleted(path: path.description))
        }
    }

    private static func move(_ request: Request, _ context: GatewayContext, in vault: Vault) async throws -> Response {
        try await answering {
            let wanted = try await request.decode(as: NoteMove.self, context: context)
            let moved = try await vault.move(
                VaultPath(wanted.from), to: VaultPath(wanted.to), if: try condition(of: request))
            context.announced.set(id: moved.to.description)
            context.announced.also(.deleted, id: moved.from.description)
            for path in moved.rewritten where path != moved.to.description {
                context.announced.also(.updated, id: path)
            }
            return try JSON.response(
                NoteMoved(from: moved.from.description, to: moved.to.description, rewritten: moved.rewritten))
        }
    }

    // MARK: Many notes

    private static func list(_ request: Request, in vault: Vault) async throws -> Response {
        try await answering {
            let asked = try request.page(by: String.self)
            let rows = try await vault.notes(
                after: asked.after, limit: asked.limit + 1, filter: try filter(request, "prefix"))
            let (page, next) = try asked.page(of: rows, key: \.path)
            return try JSON.response(NotesBody(notes: page.map(NoteBody.init), nextCursor: next))
        }
    }

    private static func search(_ request: Request, in vault: Vault) async throws -> Response {
        try await answering {
            let words = (try request.text("q", limit: longestQuery) ?? "").split(whereSeparator: \.isWhitespace)
            let limit = try request.queryNumber("limit", in: 1...mostHits) ?? 20
            let hits = try await vault.search(
                words.map(String.init), limit: limit, filter: try filter(request, "path"), isFilled: false,
                wholeBodies: false
            ).hits
            return try JSON.response(
                NoteSearchBody(
                    results: hits.map { hit in
                        .init(
                            path: hit.path, title: hit.note.label, tags: hit.note.tags, snippet: hit.snippet.plain,
                            score: hit.score)
                    }))
        }
    }

    private static func graph(of vault: Vault) async throws -> Response {
        try await answering {
            let graph = try await vault.graph()
            let body = NoteGraphBody(
                nodes: graph.notes.map { .init(id: $0.path, label: $0.label, tags: $0.tags, type: $0.type) },
                edges: graph.edges.map {
                    .init(source: graph.notes[$0.source].path, target: graph.notes[$0.target].path)
                })
            return Response(
                status: .ok, headers: [.contentType: "application/json; charset=utf-8"],
                body: .init(byteBuffer: ByteBuffer(bytes: body.json())))
        }
    }

    private static func backlinks(_ request: Request, in vault: Vault) async throws -> Response {
        try await answering {
            guard let text = try request.text("path", limit: VaultPath.maximumLength) else {
                throw ErrorResponse.invalid("'path' is missing: which note do others link to?")
            }
            let path = try NotePath(text).description
            let asked = try request.page(by: String.self)
            guard let notes = try await vault.graph().backlinks(to: path) else { throw VaultError.notFound(path) }
            let (page, next) = try asked.page(
                ofAll: notes.sorted { isBehind($1.path, $0.path) }, key: \.path, isBehind: { isBehind($0.path, $1) })
            return try JSON.response(
                BacklinksBody(path: path, backlinks: page.map(NoteBody.init), nextCursor: next))
        }
    }

    /// By bytes: names that only look the same are two.
    private static func isBehind(_ name: String, _ other: String) -> Bool {
        other.utf8.lexicographicallyPrecedes(name.utf8)
    }

    /// Where a tag stands: the most used first.
    private struct TagPlace: Codable {
        var count: Int
        var tag: String

        func isBehind(_ other: TagPlace) -> Bool {
            count == other.count ? VaultRoutes.isBehind(tag, other.tag) : count < other.count
        }
    }

    private static func tags(_ request: Request, in vault: Vault) async throws -> Response {
        try await answering {
            let asked = try request.page(by: TagPlace.self, usual: 1_000, most: 10_000)
            let all = try await vault.tags().map { TagPlace(count: $0.count, tag: $0.name) }
                .sorted { $1.isBehind($0) }
            let (page, next) = try asked.page(ofAll: all, key: { $0 }, isBehind: { $0.isBehind($1) })
            return try JSON.response(
                NoteTagsBody(tags: page.map { .init(tag: $0.tag, count: $0.count) }, nextCursor: next))
        }
    }

    // MARK: Requests

    private static func present(_ vault: Vault?) throws(ErrorResponse) -> Vault {
        guard let vault else {
            throw ErrorResponse(status: .serviceUnavailable, code: .unavailable, message: "This agent has no vault.")
        }
        return vault
    }

    /// What stands behind ``notes``, decoded once: `%2F` divides as `/` does, and `%252F` is the text `%2F` in a name.
    private static func path(of request: Request) throws -> VaultPath {
        let raw = request.uri.path
        guard raw.hasPrefix(notes), raw.utf8.count <= notes.utf8.count + 3 * VaultPath.maximumLength,
            let text = String(raw.dropFirst(notes.count)).removingPercentEncoding
        else { throw VaultError.invalidPath(String(raw.dropFirst(notes.count).prefix(200))) }
        return try VaultPath(text)
    }

    private static func filter(_ request: Request, _ prefix: String) throws(ErrorResponse) -> NoteIndex.Filter {
        var tag = try request.queryValue("tag")
        if tag?.hasPrefix("#") == true { tag?.removeFirst() }
        return NoteIndex.Filter(prefix: try request.text(prefix, limit: VaultPath.maximumLength) ?? "", tag: tag)
    }

    private static func condition(of request: Request) throws(ErrorResponse) -> VaultCondition {
        if let none = request.headers[.ifNoneMatch] {
            guard none == "*", request.headers[.ifMatch] == nil else {
                throw .invalid("Of If-None-Match only '*' is understood here, and not beside If-Match.")
            }
            return .missing
        }
        guard let match = request.headers[.ifMatch] else { return .always }
        return match == "*" ? .exists : .matches(tags(match, weak: false))
    }

    /// The tags of a list; weak ones never match where a change depends on them.
    private static func tags(_ list: String, weak: Bool) -> Set<String> {
        var tags: Set<String> = []
        for item in list.split(separator: ",") {
            var tag = item.filter { $0 != " " && $0 != "\t" }[...]
            if weak, tag.hasPrefix("W/") { tag = tag.dropFirst(2) }
            if tag.count >= 2, tag.hasPrefix("\""), tag.hasSuffix("\"") {
                tags.insert(String(tag.dropFirst().dropLast()))
            }
        }
        return tags
    }

    /// Runs `body`, and says what was wrong in the words of the protocol.
    private static func answering<Value>(_ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch let error as VaultError {
            guard let refusal = ErrorResponse(error) else { throw error }
            throw refusal
        }
    }
}

extension ErrorResponse {
    /// Why the vault refused; nil when it is broken, which is nobody's business outside.
    init?(_ error: VaultError) {
        let (status, code, hint): (HTTPResponse.Status, ErrorCode, String?) =
            switch error {
            case .invalidPath, .notARegularFile, .unlinkable: (.badRequest, .invalid, nil)
            case .notText: (.unsupportedMediaType, .notText, "A note is UTF-8 text.")
            case .notFound: (.notFound, .notFound, nil)
            case .tooLarge, .tooManyLinks: (.contentTooLarge, .tooLarge, nil)
            case .changedMeanwhile, .exists: (.conflict, .conflict, nil)
            case .precondition:
                (
                    .preconditionFailed, .preconditionFailed,
                    "Read it again, merge, and write it with its new ETag (If-Match)."
                )
            case .notNew:
                (
                    .preconditionFailed, .preconditionFailed,
                    "Choose another path, or leave the condition out (--new, If-None-Match) to write over it."
                )
            case .indexing: (.serviceUnavailable, .unavailable, "Ask again in a second.")
            case .file where error.isDiskFull:
                (.serviceUnavailable, .unavailable, "Make room on the agent's disk.")
            case .file:
                (.serviceUnavailable, .unavailable, "The agent must be able to read and write the vault's files.")
            case .index: (.internalServerError, .internalError, nil)
            }
        if status == .internalServerError { return nil }
        let text = error.description
        self.init(
            status: status, code: code, message: text.prefix(1).uppercased() + text.dropFirst() + ".", hint: hint)
    }
}

extension Request {
    /// A value of the query that may be longer than a name; nil when it is absent or empty.
    fileprivate func text(_ name: String, limit: Int) throws(ErrorResponse) -> String? {
        guard let text = uri.queryParameters.get(name), !text.isEmpty else { return nil }
        guard text.utf8.count <= limit else { throw .invalid("'\(name)' is too long.") }
        return text
    }
}

extension NoteBody {
    fileprivate init(_ note: NoteSummary) {
        self.init(
            path: note.path, title: note.label, tags: note.tags, type: note.type,
            modified: Double(note.modified) / 1e9, size: Int(note.size))
    }
}
