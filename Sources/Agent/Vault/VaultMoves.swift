internal import Foundation
internal import Store

// How is a note given another name without a link to it breaking? First the move is written down, then the file is renamed,
// then each note that links to it is rewritten, then the record is removed. What fails on the way is undone. A process that
// dies on the way leaves the record: whoever starts next goes on where the file was renamed already, and forgets the move
// where it was not. Rewriting the same links twice changes nothing, so nobody needs to know how far it came.

/// What a move did.
public struct VaultMove: Sendable {
    public var from: VaultPath
    public var to: VaultPath
    /// Notes whose links were rewritten, as they are called now.
    public var rewritten: [String]
}

/// A move as it is written down.
struct MoveRecord: Codable, Equatable {
    var from: String
    var to: String
    /// The file, by which it is known under either name.
    var file: FileIdentity
    /// What stood in links before, without heading, and what stands there after.
    var targets: [String: String]
    /// Notes that hold such links, as they were called before.
    var notes: [String]
}

extension Vault {
    /// Moves a file within the vault, and rewrites the links and embeds that mean it; alias and heading stay. Either all of
    /// it happens or nothing, as far as the file system permits.
    ///
    /// - Throws: ``VaultError``; everything is then as before. `CancellationError` before anything has happened.
    public func move(_ from: VaultPath, to: VaultPath, if condition: VaultCondition = .always) async throws -> VaultMove
    {
        guard from != to, from.isNote == to.isNote else { throw VaultError.invalidPath(to.description) }
        let graph = try await graph()
        // From here on nobody else gets a turn.
        guard try files.stamp(of: from) != nil else { throw VaultError.notFound(from.description) }
        _ = try stamp(of: from, if: condition)
        guard try files.stamp(of: to) == nil else { throw VaultError.exists(to.description) }
        guard let file = files.identity(of: from) else { throw VaultError.notFound(from.description) }
        let (targets, notes) = try linksToRewrite(from, to, graph)
        let record = MoveRecord(
            from: from.description, to: to.description, file: file, targets: targets, notes: notes)
        let originals = try originals(record)
        do {
            try PrivateFile.replace(movePath, with: Array(try JSONEncoder().encode(record)))
        } catch let error as PrivateFileError {
            throw VaultError.file(path: movePath, operation: "write", code: error.code)
        }
        do throws(VaultError) {
            try files.move(from, to: to)
        } catch {
            unlink(movePath)
            throw error
        }
        var done: [(NotePath, String)] = []
        do throws(VaultError) {
            for (path, text) in originals {
                if try rewrite(path, record.targets) { done.append((path, text)) }
            }
        } catch {
            try undo(record, done)
            throw error
        }
        unlink(movePath)
        forget(from)
        note(to)
        for (path, _) in done { note(path.file) }
        return VaultMove(from: from, to: to, rewritten: done.map(\.0.description))
    }

    /// Finishes or undoes the move that an earlier process was in.
    func recover() {
        guard !isRecovered else { return }
        isRecovered = true
        guard let bytes = (try? PrivateFile.read(movePath, limit: limits.rewrittenSize)) ?? nil else { return }
        defer { unlink(movePath) }
        guard let record = try? JSONDecoder().decode(MoveRecord.self, from: Data(bytes)),
            let to = try? VaultPath(record.to), files.identity(of: to) == record.file
        else {
            logger.notice("vault::move_undone")
            return
        }
        if let from = try? VaultPath(record.from), files.identity(of: from) == record.file,
            let stamp = try? files.stamp(of: from)
        {
            // It was left with both names.
            try? files.remove(from, expecting: stamp)
        }
        for name in record.notes {
            do throws(VaultError) {
                _ = try rewrite(NotePath(name == record.from ? record.to : name), record.targets)
            } catch {
                logger.warning("vault::move_incomplete", metadata: ["path": "\(name)", "error": "\(error)"])
            }
        }
        logger.notice("vault::move_finished", metadata: ["from": "\(record.from)", "to": "\(record.to)"])
    }

    // MARK: Links

    /// What stands in links that mean `from` and would no longer mean it as `to`, with what has to stand there, and the
    /// notes in which it stands.
    private func linksToRewrite(
        _ from: VaultPath, _ to: VaultPath, _ graph: VaultGraph
    ) throws -> (targets: [String: String], notes: [String]) {
        let others = from.isNote ? graph.notes.map(\.path) : files.attachments(named: from.name).map(\.description)
        guard let place = others.firstIndex(of: from.description) else {
            return ([:], [])
        }
        let before = LinkResolver(others)
        var renamed = others
        renamed[place] = to.description
        let isSameName = from.name.lowercased() == to.name.lowercased()
        let namesakes = from.isNote || isSameName ? [] : files.attachments(named: to.name).map(\.description)
        let after = LinkResolver(renamed + namesakes)
        var targets: [String: String] = [:]
        var notes: [String] = []
        for name in try linkingNotes(from) {
            guard let path = try? NotePath(name), let (text, _) = try? files.read(path) else { continue }
            let bytes = Array(text.utf8)
            var isAffected = false
            for range in MarkdownScanner.links(in: bytes) {
                let target = String(decoding: bytes[range], as: UTF8.self)
                let base = String(LinkResolver.base(of: target[...]))
                guard let key = LinkResolver.key(base[...]), before.resolve(key) == place, !after.fits(key, place)
                else { continue }
                isAffected = true
                if targets[base] == nil { targets[base] = try newTarget(base, to, after, place) }
            }
            if isAffected { notes.append(name) }
        }
        return (targets, notes)
    }

    /// Which notes may hold a link to a file: all that have a link whose last part is its name.
    private func linkingNotes(_ path: VaultPath) throws -> [String] {
        guard let index, let key = LinkResolver.key(path.name[...]) else { return [] }
        return try index.linkingNotes(toName: key)
    }

    private func newTarget(_ old: String, _ to: VaultPath, _ after: LinkResolver, _ place: Int) throws -> String {
        let keepsEnding = !to.isNote || old.lowercased().hasSuffix(".md")
        func written(_ text: String) -> String { keepsEnding ? text : String(text.dropLast(3)) }
        let candidates = old.contains("/") ? [to.description] : [to.name, to.description]
        for candidate in candidates.map(written) where !candidate.utf8.contains(where: { "#^|[]".utf8.contains($0) }) {
            if let key = LinkResolver.key(candidate[...]), after.fits(key, place) { return candidate }
        }
        throw VaultError.unlinkable(to.description)
    }

    // MARK: Texts

    /// The notes to rewrite, as they will be called, with their texts as they are.
    private func originals(_ record: MoveRecord) throws(VaultError) -> [(NotePath, String)] {
        var left = limits.rewrittenSize
        var found: [(NotePath, String)] = []
        for name in record.notes {
            let text = try files.read(NotePath(name)).text
            left -= text.utf8.count
            guard left >= 0 else { throw .tooManyLinks(record.from) }
            found.append((try NotePath(name == record.from ? record.to : name), text))
        }
        return found
    }

    /// - Returns: whether anything was to be rewritten.
    private func rewrite(_ path: NotePath, _ targets: [String: String]) throws(VaultError) -> Bool {
        let (text, stamp) = try files.read(path)
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var copied = 0
        for range in MarkdownScanner.links(in: bytes) {
            let target = String(decoding: bytes[range], as: UTF8.self)
            let base = LinkResolver.base(of: target[...])
            guard let new = targets[String(base)] else { continue }
            result += bytes[copied..<range.lowerBound]
            result += new.utf8
            copied = range.lowerBound + base.utf8.count
        }
        guard copied > 0 else { return false }
        result += bytes[copied...]
        try files.write(result, to: path.file, replacing: stamp)
        return true
    }

    /// Puts back what was done so far. When even that fails, the record stays for the next start.
    private func undo(_ record: MoveRecord, _ done: [(NotePath, String)]) throws {
        do throws(VaultError) {
            for (path, text) in done.reversed() {
                try files.write(text, to: path, replacing: files.stamp(of: path.file))
            }
            try files.move(VaultPath(record.to), to: VaultPath(record.from))
            unlink(movePath)
        } catch {
            isRecovered = false
            throw error
        }
    }
}
