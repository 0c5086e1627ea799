public import JSON
internal import Store

// How is one file of the vault read, written and deleted? Whole or not at all, and only when it is still what the writer
// believes. The index is not touched here: it hears of every change as it hears of one made by hand.

/// A file of the vault as it was read.
public struct VaultFile: Sendable {
    public var path: VaultPath
    public var bytes: [UInt8]
    /// Unix seconds.
    public var modified: Double
    /// Names the content.
    public var tag: String
}

/// A note's text and what it says about itself.
public struct VaultNote: Sendable {
    /// Empty for a file that is no note.
    public var properties: [String: JSONValue]
    /// The text without front matter and without white space around it.
    public var body: String
    /// Targets of wikilinks in order, repeats and anchors included.
    public var links: [String]
    public var text: String
}

/// What must be true of a file for a change to be made.
public enum VaultCondition: Sendable, Equatable {
    case always
    /// The content has one of these tags.
    case matches(Set<String>)
    /// There is a file.
    case exists
    /// There is none.
    case missing
}

extension Vault {
    /// How often a change starts over because somebody else wrote the same file.
    private static let attempts = 3

    /// - Throws: ``VaultError``
    public func read(_ path: VaultPath) throws(VaultError) -> VaultFile {
        recover()
        let (bytes, stamp) = try files.read(path)
        return VaultFile(
            path: path, bytes: bytes, modified: Double(stamp.modified) / 1e9, tag: ContentTag.of(bytes))
    }

    /// Bytes that a file with this name may have.
    public nonisolated func largest(_ path: VaultPath) -> Int {
        path.isNote ? limits.noteSize : limits.attachmentSize
    }

    /// Takes a note's text apart. A file that is no note has no front matter and no links.
    ///
    /// - Throws: ``VaultError/notText(_:)``
    public nonisolated func parse(_ file: VaultFile) throws(VaultError) -> VaultNote {
        guard let text = String(validating: file.bytes, as: UTF8.self) else { throw .notText(file.path.description) }
        guard let path = try? NotePath(file.path) else {
            return VaultNote(properties: [:], body: text, links: [], text: text)
        }
        let note = MarkdownNote(text, path: path)
        return VaultNote(
            properties: note.properties, body: String(MarkdownNote.trimmed(note.body[...])), links: note.links,
            text: text)
    }

    /// The text of a note without its front matter.
    ///
    /// - Throws: ``VaultError``
    public func body(of path: NotePath) throws(VaultError) -> String {
        recover()
        return MarkdownNote(try files.read(path).text, path: path).body
    }

    /// Puts `bytes` in the place of a file, or makes it with the folders that it needs.
    ///
    /// - Returns: whether the file is new, and the tag of its content.
    /// - Throws: ``VaultError``; the file is then as before.
    public func write(
        _ bytes: [UInt8], to path: VaultPath, if condition: VaultCondition = .always
    ) throws(VaultError) -> (isNew: Bool, tag: String) {
        recover()
        if path.isNote, String(validating: bytes, as: UTF8.self) == nil { throw .notText(path.description) }
        let isNew = try retrying { () throws(VaultError) in
            let stamp = try stamp(of: path, if: condition)
            try files.write(bytes, to: path, replacing: stamp)
            note(path)
            return stamp == nil
        }
        return (isNew, ContentTag.of(bytes))
    }

    /// Deletes a file. One that was just deleted by hand is deleted once more without complaint.
    ///
    /// - Throws: ``VaultError``
    public func delete(_ path: VaultPath, if condition: VaultCondition = .always) throws(VaultError) {
        recover()
        try retrying { () throws(VaultError) in
            guard let stamp = try files.stamp(of: path) else {
                guard condition == .always, let index, (try? index.contains(path.description)) == true else {
                    throw .notFound(path.description)
                }
                pending.append(path.description)
                return
            }
            guard try self.stamp(of: path, if: condition) == stamp else { throw .changedMeanwhile(path.description) }
            try files.remove(path, expecting: stamp)
            forget(path)
        }
    }

    /// Whoever asked for the change tells of it.
    func note(_ path: VaultPath) {
        if path.isNote, isTelling { own[ExactText(path.description)] = (try? files.stamp(of: path)) ?? nil }
    }

    /// Takes out of the index what this process has just removed: it is not to be deleted a second time.
    func forget(_ path: VaultPath) {
        guard path.isNote, let index else { return }
        knownGraph = nil
        do { try index.update([], removing: [path.description]) } catch { pending.append(path.description) }
    }

    /// Adds `line` to the end of a note, which is made with `heading` as its first lines when it is missing. The file
    /// is replaced whole or not at all.
    ///
    /// - Throws: ``VaultError``; the note is then as before.
    public func append(_ line: String, to path: NotePath, heading: String) throws(VaultError) {
        recover()
        try retrying { () throws(VaultError) in
            var text = heading + "\n\n"
            var stamp: NoteStamp?
            do throws(VaultError) { (text, stamp) = try files.read(path) } catch .notFound {}
            if !text.isEmpty, text.last?.isNewline != true { text += "\n" }
            try files.write(text + line + "\n", to: path, replacing: stamp)
            note(path.file)
        }
    }

    /// The stamp of a file that fulfils the condition; nil when there is none and need be none.
    func stamp(of path: VaultPath, if condition: VaultCondition) throws(VaultError) -> NoteStamp? {
        switch condition {
        case .always:
            return try files.stamp(of: path)
        case .missing:
            guard try files.stamp(of: path) == nil else { throw .notNew(path.description) }
            return nil
        case .exists:
            guard let stamp = try files.stamp(of: path) else { throw .precondition(path.description) }
            return stamp
        case .matches(let tags):
            do throws(VaultError) {
                let (bytes, stamp) = try files.read(path)
                guard tags.contains(ContentTag.of(bytes)) else { throw .precondition(path.description) }
                return stamp
            } catch .notFound {
                throw .precondition(path.description)
            }
        }
    }

    private func retrying<Value>(_ body: () throws(VaultError) -> Value) throws(VaultError) -> Value {
        var attempt = 1
        while true {
            do throws(VaultError) {
                return try body()
            } catch .changedMeanwhile where attempt < Self.attempts {
                attempt += 1
            }
        }
    }
}
