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
        // From here on nobody else gets a turn. An earlier move that could not be finished is first.
        if isMoveUnfinished { isRecovered = false }
        recover()
        guard try files.stamp(of: from) != nil else { throw VaultError.notFound(from.description) }
        _ = try stamp(of: from, if: condition)
        guard try files.stamp(of: to) == nil else { throw VaultError.exists(to.description) }
        guard let file = files.identity(of: from) else { throw VaultError.notFound(from.description) }
        let (targets, notes) = try linksToRewrite(from, to, graph)
        let record = MoveRecord(
            from: from.description, to: to.description, file: file, targets: targets, notes: notes)
        try checkSize(record)
        do {
            try PrivateFile.replace(movePath, with: Array(try JSONEncoder().encode(record)))
        } catch let error as PrivateFileError {
            throw VaultError.file(path: "the record of the move", operation: "write", code: error.code)
        }
        do throws(VaultError) {
            try files.move(from, to: to)
        } catch {
            unlink(movePath)
            throw error
        }
        var done: [Rewritten] = []
        do throws(VaultError) {
            for name in record.notes {
                if let rewritten = try rewrite(record.path(of: name), record) { done.append(rewritten) }
            }
        } catch {
            try undo(record, done)
            throw error
        }
        unlink(movePath)
        forget(from)
        note(to)
        for rewritten in done { note(rewritten.path.file) }
        return VaultMove(from: from, to: to, rewritten: done.map(\.path.description))
    }

    /// Finishes or undoes the move that an earlier process was in.
    func recover() {
        guard !isRecovered else { return }
        isRecovered = true
        isMoveUnfinished = false
        guard let bytes = (try? PrivateFile.read(movePath, limit: limits.rewrittenSize)) ?? nil else { return }
        defer { if !isMoveUnfinished { unlink(movePath) } }
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
                _ = try rewrite(record.path(of: name), record)
            } catch {
                // What no longer is there, or is no text any more, has no links to break.
                if case .file = error { isMoveUnfinished = true }
                if case .changedMeanwhile = error { isMoveUnfinished = true }
                logger.warning("vault::move_incomplete", metadata: ["path": "\(name)", "error": "\(error)"])
            }
        }
        if isMoveUnfinished { return }
        logger.notice("vault::move_finished", metadata: ["from": "\(record.from)", "to": "\(record.to)"])
    }

    // MARK: Links

    /// What stands in links that mean `from` and would no longer mean it as `to`, or that would mean it and mean another
    /// file now, with what has to stand there, and the notes in which it stands.
    private func linksToRewrite(
        _ from: VaultPath, _ to: VaultPath, _ graph: VaultGraph
    ) throws -> (targets: [String: String], notes: [String]) {
        var others =
            from.isNote ? graph.notes.map(\.path) : try files.attachments(named: from.name).map(\.description)
        let isSameName = from.name.lowercased() == to.name.lowercased()
        if !from.isNote, !isSameName { others += try files.attachments(named: to.name).map(\.description) }
        guard let place = others.firstIndex(where: { ExactText($0) == ExactText(from.description) }) else {
            return ([:], [])
        }
        let before = LinkResolver(others)
        var renamed = others
        renamed[place] = to.description
        let after = LinkResolver(renamed)
        var targets: [String: String] = [:]
        var notes: [String] = []
        for name in try linkingNotes(from, to) {
            guard let path = try? NotePath(name), let (text, _) = try? files.read(path) else { continue }
            let bytes = Array(text.utf8)
            var isAffected = false
            for range in MarkdownScanner.links(in: bytes) {
                let target = String(decoding: bytes[range], as: UTF8.self)
                let base = String(LinkResolver.base(of: target[...]))
                guard let key = LinkResolver.key(base[...]), let meant = before.resolve(key) else { continue }
                if meant == place {
                    guard !after.fits(key, place) else { continue }
                    if targets[base] == nil { targets[base] = try newTarget(base, to.description, after, place) }
                } else {
                    guard before.fits(key, meant), after.resolve(key) == place else { continue }
                    if targets[base] == nil { targets[base] = try newTarget(base, others[meant], after, meant) }
                }
                isAffected = true
            }
            if isAffected { notes.append(name) }
        }
        return (targets, notes)
    }

    /// Which notes may hold a link to one of these files: all that have a link whose last part is its name.
    private func linkingNotes(_ paths: VaultPath...) throws -> [String] {
        guard let index else { return [] }
        var names: Set<ExactText> = []
        for key in Set(paths.compactMap { LinkResolver.key($0.name[...]) }) {
            names.formUnion(try index.linkingNotes(toName: key).map(ExactText.init))
        }
        return names.map(\.text).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private func newTarget(_ old: String, _ new: String, _ after: LinkResolver, _ place: Int) throws -> String {
        let to = try VaultPath(new)
        let keepsEnding = !to.isNote || VaultPath.isNote(old)
        func written(_ text: String) -> String {
            keepsEnding ? text : String(decoding: text.utf8.dropLast(3), as: UTF8.self)
        }
        let candidates = old.utf8.contains(UInt8(ascii: "/")) ? [to.description] : [to.name, to.description]
        for candidate in candidates.map(written) where !candidate.utf8.contains(where: { "#^|[]".utf8.contains($0) }) {
            if let key = LinkResolver.key(candidate[...]), after.fits(key, place) { return candidate }
        }
        throw VaultError.unlinkable(to.description)
    }

    // MARK: Texts

    /// Not more is rewritten at once than could be put back.
    private func checkSize(_ record: MoveRecord) throws(VaultError) {
        var left = Int64(limits.rewrittenSize)
        for name in record.notes {
            left -= try files.stamp(of: NotePath(name).file)?.size ?? 0
            guard left >= 0 else { throw .tooManyLinks(record.from) }
        }
    }

    /// - Returns: nil when nothing was to be rewritten.
    private func rewrite(_ path: NotePath, _ record: MoveRecord) throws(VaultError) -> Rewritten? {
        let (text, stamp) = try files.read(path)
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var copied = 0
        for range in MarkdownScanner.links(in: bytes) {
            let target = String(decoding: bytes[range], as: UTF8.self)
            let base = LinkResolver.base(of: target[...])
            guard let new = record.targets[String(base)] else { continue }
            result += bytes[copied..<range.lowerBound]
            result += new.utf8
            copied = range.lowerBound + base.utf8.count
        }
        guard copied > 0 else { return nil }
        result += bytes[copied...]
        // A quotation mark in the new name may end a value of the front matter, which then says nothing any more.
        guard MarkdownNote.propertyNames(bytes) == MarkdownNote.propertyNames(result) else {
            throw .unlinkable(record.to)
        }
        return Rewritten(path: path, text: text, stamp: try files.write(result, to: path.file, replacing: stamp))
    }

    /// Puts back what was done so far; a note that somebody else has changed since stays as it is. When even that fails,
    /// the record stays for the next start.
    private func undo(_ record: MoveRecord, _ done: [Rewritten]) throws {
        do throws(VaultError) {
            for rewritten in done.reversed() {
                guard let now = try files.stamp(of: rewritten.path.file), now.hasContent(of: rewritten.stamp) else {
                    logger.warning("vault::move_kept_edit", metadata: ["path": "\(rewritten.path)"])
                    continue
                }
                try files.write(rewritten.text, to: rewritten.path, replacing: now)
            }
            try files.move(VaultPath(record.to), to: VaultPath(record.from))
            unlink(movePath)
        } catch {
            isRecovered = false
            throw error
        }
    }
}

extension MoveRecord {
    /// What a note is called that was called `name` before the move.
    fileprivate func path(of name: String) throws(VaultError) -> NotePath {
        try NotePath(ExactText(name) == ExactText(from) ? to : name)
    }
}

/// A note whose links were rewritten.
private struct Rewritten {
    var path: NotePath
    /// As it was before.
    var text: String
    /// Of what is there now, if nobody else has touched it.
    var stamp: NoteStamp
}
