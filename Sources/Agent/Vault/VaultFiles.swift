internal import Glibc
internal import Store

// Where do notes come from and go to? Regular files below one folder. Every step into a folder and every file is opened
// relative to its parent and never through a symbolic link, so that no name and no race leads out of the vault. This file
// knows bytes and stamps; titles, tags and searching are elsewhere. All calls block.

/// The files of one vault.
struct VaultFiles: Sendable {
    /// The vault's folder. It may itself be reached through a symbolic link: it is the owner's choice.
    let root: String
    /// The largest note, in bytes. Larger files are neither read nor written.
    let maximumNoteSize: Int
    /// The largest file that is no note, in bytes.
    let maximumAttachmentSize: Int
    /// Further files are not listed.
    let maximumNotes: Int
    /// Below this folder only notes are files of the vault; empty means everywhere, nil nowhere.
    let onlyNotesBelow: [String]?
    /// What a test does between the last look at a file and its end.
    var beforeRename: (@Sendable () -> Void)?

    init(root: String, maximumNoteSize: Int, maximumNotes: Int, maximumAttachmentSize: Int = 1, agent: String? = nil) {
        self.root = root
        self.maximumNoteSize = maximumNoteSize
        self.maximumNotes = maximumNotes
        self.maximumAttachmentSize = maximumAttachmentSize
        onlyNotesBelow = agent.flatMap { Self.place(of: $0, below: root) }
    }

    /// A note's file as listed.
    struct Listed: Equatable {
        var path: NotePath
        var stamp: NoteStamp
    }

    /// Every note that may be read, in no particular order. Hidden files and folders, links, files that are too large
    /// and folders that cannot be opened are passed over; a vault whose folder is missing is empty.
    ///
    /// - Parameter watch: is told of each folder before the folder is read, so that nothing is missed in between.
    func list(_ watch: VaultWatch? = nil) throws(VaultError) -> [Listed] {
        let top: FolderDescriptor
        do { top = try openRoot() } catch .notFound { return [] }
        if let status = top.status { watch?.begin(FileIdentity(status)) }
        var found: [Listed] = []
        try walk(top, prefix: [], watch) { path, status in
            guard found.count < maximumNotes, status.st_size <= maximumNoteSize, let path = try? NotePath(path)
            else { return }
            found.append(Listed(path: path, stamp: NoteStamp(status)))
        }
        watch?.end()
        return found
    }

    /// Every file that is no note and whose name is `name` in any case.
    func attachments(named name: String) throws(VaultError) -> [VaultPath] {
        let top: FolderDescriptor
        do { top = try openRoot() } catch .notFound { return [] }
        var found: [VaultPath] = []
        try walk(top, prefix: [], nil) { path, _ in
            if !path.isNote, path.name.lowercased() == name.lowercased() { found.append(path) }
        }
        return found
    }

    /// The vault's folder; nil when it is missing.
    func rootIdentity() -> FileIdentity? {
        var status = stat()
        return stat(root, &status) == 0 ? FileIdentity(status) : nil
    }

    /// The file at `path`, if it is a regular one.
    func identity(of path: VaultPath) -> FileIdentity? {
        guard let status = try? openFolder(of: path, creating: false).status(of: path.name),
            status.st_mode & S_IFMT == S_IFREG
        else { return nil }
        return FileIdentity(status)
    }

    /// The bytes of a file and the stamp of exactly those bytes.
    func read(_ path: VaultPath) throws(VaultError) -> (bytes: [UInt8], stamp: NoteStamp) {
        try openFolder(of: path, creating: false).file(path.name, for: path).readAll(atMost: limit(of: path))
    }

    /// The text of a note and the stamp of exactly that text.
    func read(_ path: NotePath) throws(VaultError) -> (text: String, stamp: NoteStamp) {
        let (bytes, stamp) = try read(path.file)
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .notText(path.description) }
        return (text, stamp)
    }

    /// Puts `bytes` in the place of the file, whole or not at all: written beside it, synced, renamed over it. Folders on
    /// the way are made. A file that is there keeps its mode; a new one is private.
    ///
    /// - Parameter expected: the stamp of the content that this one is made from, nil for no file. When somebody else has
    ///   changed the file since, theirs stays and ``VaultError/changedMeanwhile(_:)`` is thrown.
    /// - Returns: a stamp of the new content.
    @discardableResult func write(
        _ bytes: [UInt8], to path: VaultPath, replacing expected: NoteStamp?
    ) throws(VaultError) -> NoteStamp {
        guard bytes.count <= limit(of: path) else { throw .tooLarge(path: path.description, limit: limit(of: path)) }
        let folder = try openFolder(of: path, creating: true)
        let old = folder.status(of: path.name)
        if let old, old.st_mode & S_IFMT != S_IFREG { throw .notARegularFile(path.description) }
        let temporary = Self.temporaryName()
        let file = try folder.newFile(temporary, for: path)
        if let status = folder.status(of: temporary) { removeLeftovers(in: folder, olderThan: status) }
        do throws(VaultError) {
            try file.writeAll(bytes, like: old)
            guard folder.status(of: path.name).map(NoteStamp.init) == expected,
                let new = folder.status(of: temporary).map(NoteStamp.init)
            else { throw .changedMeanwhile(path.description) }
            beforeRename?()
            let isDone =
                if let expected {
                    try folder.replace(path.name, expecting: expected, with: temporary, path)
                } else {
                    try folder.publish(temporary, as: path.name, path)
                }
            guard isDone else { throw .changedMeanwhile(path.description) }
            return new
        } catch {
            folder.remove(temporary)
            throw error
        }
    }

    /// Puts `text` in the place of a note; see ``write(_:to:replacing:)-(_,VaultPath,_)``.
    @discardableResult func write(
        _ text: String, to path: NotePath, replacing expected: NoteStamp?
    ) throws(VaultError) -> NoteStamp {
        try write(Array(text.utf8), to: path.file, replacing: expected)
    }

    /// The stamp of a regular file; nil when there is nothing with that name.
    func stamp(of path: VaultPath) throws(VaultError) -> NoteStamp? {
        let folder: FolderDescriptor
        do { folder = try openFolder(of: path, creating: false) } catch .notFound { return nil }
        guard let status = folder.status(of: path.name) else { return nil }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notARegularFile(path.description) }
        return NoteStamp(status)
    }

    /// Removes a file for good.
    ///
    /// - Parameter expected: the stamp of the content that nobody wants any more; with another one nothing is removed and
    ///   ``VaultError/changedMeanwhile(_:)`` is thrown.
    func remove(_ path: VaultPath, expecting expected: NoteStamp) throws(VaultError) {
        let folder = try openFolder(of: path, creating: false)
        guard let status = folder.status(of: path.name) else { throw .notFound(path.description) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notARegularFile(path.description) }
        guard NoteStamp(status) == expected else { throw .changedMeanwhile(path.description) }
        beforeRename?()
        guard try folder.remove(path.name, expecting: expected, hidden: Self.temporaryName(), path) else {
            throw .changedMeanwhile(path.description)
        }
    }

    /// Gives a file another place, where nothing may be.
    ///
    /// - Throws: ``VaultError/exists(_:)``
    func move(_ path: VaultPath, to other: VaultPath) throws(VaultError) {
        let source = try openFolder(of: path, creating: false)
        guard let status = source.status(of: path.name) else { throw .notFound(path.description) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notARegularFile(path.description) }
        let target = try openFolder(of: other, creating: true)
        guard try source.move(path.name, to: target, as: other.name, path) else { throw .exists(other.description) }
    }

    private static func temporaryName() -> String { temporaryPrefix + "\(UInt64.random(in: .min ... .max)).tmp" }

    private static let temporaryPrefix = ".openagent-"
    /// Seconds. A file that is being written is younger.
    private static let longestWrite = 60

    /// Files that were being written when their process died. The clock is the file system's own.
    private func removeLeftovers(in folder: borrowing FolderDescriptor, olderThan new: stat) {
        for name in (try? folder.names()) ?? [] where name.hasPrefix(Self.temporaryPrefix) && name.hasSuffix(".tmp") {
            guard let status = folder.status(of: name), status.st_mode & S_IFMT == S_IFREG,
                status.st_mtim.tv_sec < new.st_mtim.tv_sec - Self.longestWrite
            else { continue }
            folder.remove(name)
        }
    }

    // MARK: Steps

    private func limit(of path: VaultPath) -> Int { path.isNote ? maximumNoteSize : maximumAttachmentSize }

    func openRoot() throws(VaultError) -> FolderDescriptor {
        let number = Glibc.open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else {
            throw errno == ENOENT ? .notFound(root) : .file(path: "the vault's folder", operation: "open", code: errno)
        }
        return FolderDescriptor(number)
    }

    func openFolder(of path: VaultPath, creating: Bool) throws(VaultError) -> FolderDescriptor {
        if let onlyNotesBelow, !path.isNote, path.parts.starts(with: onlyNotesBelow) {
            throw .invalidPath(path.description)
        }
        if creating, mkdir(root, 0o700) != 0, errno != EEXIST {
            throw .file(path: "the vault's folder", operation: "create", code: errno)
        }
        var folder: FolderDescriptor
        do { folder = try openRoot() } catch .notFound { throw .notFound(path.description) }
        for part in path.parts.dropLast() {
            if creating { try folder.makeFolder(part, path) }
            folder = try folder.folder(part, for: path)
        }
        return folder
    }

    private func walk(
        _ folder: borrowing FolderDescriptor, prefix: [String], _ watch: VaultWatch?, _ body: (VaultPath, stat) -> Void
    ) throws(VaultError) {
        watch?.enter(folder.number, prefix)
        for name in try folder.names() where VaultPath.isVisibleName(name) {
            // The caller, who finds out as well, must then not take the list for complete.
            if Task.isCancelled { return }
            guard let status = folder.status(of: name) else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFDIR:
                guard prefix.count + 2 <= VaultPath.maximumDepth else { continue }
                let inner: FolderDescriptor
                do { inner = try folder.folder(name, for: nil) } catch {
                    if error.isShortage { throw error }
                    continue
                }
                try walk(inner, prefix: prefix + [name], watch, body)
            case S_IFREG:
                guard let path = try? VaultPath((prefix + [name]).joined(separator: "/")) else { continue }
                body(path, status)
            default:
                continue
            }
        }
    }

    // MARK: The agent's own files

    /// Where in the vault the agent keeps what is nobody's note: nil when vault and agent have nothing in common.
    private static func place(of agent: String, below root: String) -> [String]? {
        let agent = canonical(agent)
        let root = canonical(root)
        let isInside = ["/.openagent", "/logs"].contains { (root + "/").hasPrefix(agent + $0 + "/") }
        if root == agent || isInside { return [] }
        guard agent.hasPrefix(root == "/" ? root : root + "/") else { return nil }
        return agent.dropFirst(root.utf8.count).split(separator: "/").map(String.init)
    }

    /// The absolute path without links, as far as it exists.
    private static func canonical(_ path: String) -> String {
        if let real = realpath(path, nil) {
            defer { free(real) }
            return String(cString: real)
        }
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return path }
        return canonical(String(path[..<slash])) + path[slash...]
    }
}
