internal import Glibc
internal import Store

// Where do notes come from and go to? Regular Markdown files below one folder. Every step into a folder and every file
// is opened relative to its parent and never through a symbolic link, so that no name and no race leads out of the
// vault. This file knows bytes and stamps; titles, tags and searching are elsewhere. All calls block.

/// The files of one vault.
struct VaultFiles: Sendable {
    /// The vault's folder. It may itself be reached through a symbolic link: it is the owner's choice.
    let root: String
    /// The largest note, in bytes. Larger files are neither read nor written.
    let maximumNoteSize: Int
    /// Further files are not listed.
    let maximumNotes: Int

    /// A note's file as listed.
    struct Listed: Equatable {
        var path: NotePath
        var stamp: NoteStamp
    }

    /// Every note that may be read, in no particular order. Hidden files and folders, links, files that are too large
    /// and folders that cannot be opened are passed over; a vault whose folder is missing is empty.
    func list() throws(VaultError) -> [Listed] {
        let top: Descriptor
        do { top = try openRoot() } catch .notFound { return [] }
        var found: [Listed] = []
        walk(top, prefix: [], into: &found)
        return found
    }

    /// The text of a note and the stamp of exactly that text.
    func read(_ path: NotePath) throws(VaultError) -> (text: String, stamp: NoteStamp) {
        let name = path.parts[path.parts.count - 1]
        let file = try openFolder(of: path, creating: false).open(name, O_RDONLY | O_NONBLOCK, for: path)
        let status = try file.status(path)
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notARegularFile(path.description) }
        guard status.st_size <= maximumNoteSize else {
            throw .tooLarge(path: path.description, limit: maximumNoteSize)
        }
        let bytes = try file.readAll(atMost: maximumNoteSize, path)
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .notText(path.description) }
        return (text, NoteStamp(status))
    }

    /// Puts `text` in the place of the note, whole or not at all: written beside it, synced, renamed over it. Folders on
    /// the way are made. A file that is there keeps its mode; a new one is private.
    ///
    /// - Parameter expected: the stamp of the text that this one is made from, nil for no file. When somebody else has
    ///   changed the note since, theirs stays and ``VaultError/changedMeanwhile(_:)`` is thrown.
    func write(_ text: String, to path: NotePath, replacing expected: NoteStamp?) throws(VaultError) {
        guard text.utf8.count <= maximumNoteSize else {
            throw .tooLarge(path: path.description, limit: maximumNoteSize)
        }
        let folder = try openFolder(of: path, creating: true)
        let name = path.parts[path.parts.count - 1]
        var mode: mode_t = 0o600
        if let status = folder.status(of: name) {
            guard status.st_mode & S_IFMT == S_IFREG else { throw .notARegularFile(path.description) }
            mode = status.st_mode & 0o777
        }
        let temporary = Self.temporaryPrefix + "\(UInt64.random(in: .min ... .max)).tmp"
        let file = try folder.open(temporary, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600, for: path)
        removeLeftovers(in: folder, olderThan: try file.status(path))
        do throws(VaultError) {
            try file.writeAll(Array(text.utf8), path)
            try file.finish(mode: mode, path)
            guard folder.status(of: name).map(NoteStamp.init) == expected else {
                throw .changedMeanwhile(path.description)
            }
            try folder.rename(temporary, to: name, path)
        } catch {
            folder.remove(temporary)
            throw error
        }
    }

    private static let temporaryPrefix = ".openagent-"
    /// Seconds. A file that is being written is younger.
    private static let longestWrite = 60

    /// Files that were being written when their process died. The clock is the file system's own.
    private func removeLeftovers(in folder: borrowing Descriptor, olderThan new: stat) {
        for name in folder.names() where name.hasPrefix(Self.temporaryPrefix) && name.hasSuffix(".tmp") {
            guard let status = folder.status(of: name), status.st_mode & S_IFMT == S_IFREG,
                status.st_mtim.tv_sec < new.st_mtim.tv_sec - Self.longestWrite
            else { continue }
            folder.remove(name)
        }
    }

    // MARK: Steps

    private func openRoot() throws(VaultError) -> Descriptor {
        let number = Glibc.open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else {
            throw errno == ENOENT ? .notFound(root) : .file(path: root, operation: "open", code: errno)
        }
        return Descriptor(number)
    }

    private func openFolder(of path: NotePath, creating: Bool) throws(VaultError) -> Descriptor {
        if creating, mkdir(root, 0o700) != 0, errno != EEXIST {
            throw .file(path: root, operation: "create", code: errno)
        }
        var folder = try openRoot()
        for part in path.parts.dropLast() {
            if creating { try folder.makeFolder(part, path) }
            folder = try folder.open(part, O_RDONLY | O_DIRECTORY, for: path)
        }
        return folder
    }

    private func walk(_ folder: borrowing Descriptor, prefix: [String], into found: inout [Listed]) {
        for name in folder.names() where NotePath.isVisibleName(name) && found.count < maximumNotes {
            // The caller, who finds out as well, must then not take the list for complete.
            if Task.isCancelled { return }
            guard let status = folder.status(of: name) else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFDIR:
                guard prefix.count + 2 <= NotePath.maximumDepth,
                    let inner = try? folder.open(name, O_RDONLY | O_DIRECTORY, for: nil)
                else { continue }
                walk(inner, prefix: prefix + [name], into: &found)
            case S_IFREG:
                let text = (prefix + [name]).joined(separator: "/")
                guard status.st_size <= maximumNoteSize, let path = try? NotePath(text) else { continue }
                found.append(Listed(path: path, stamp: NoteStamp(status)))
            default:
                continue
            }
        }
    }
}

extension NoteStamp {
    fileprivate init(_ status: stat) {
        self.init(
            modified: Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec),
            changed: Int64(status.st_ctim.tv_sec) * 1_000_000_000 + Int64(status.st_ctim.tv_nsec),
            size: Int64(status.st_size))
    }
}

/// A file descriptor that closes itself. Names given to it are single path parts.
private struct Descriptor: ~Copyable {
    private let number: Int32

    init(_ number: Int32) {
        self.number = number
    }

    deinit { close(number) }

    func open(_ name: String, _ flags: Int32, mode: mode_t = 0, for path: NotePath?) throws(VaultError) -> Descriptor {
        let opened = openat(number, name, flags | O_NOFOLLOW | O_CLOEXEC, mode)
        guard opened < 0 else { return Descriptor(opened) }
        let shown = path?.description ?? name
        throw switch errno {
        case ENOENT: .notFound(shown)
        case ELOOP, ENOTDIR, EISDIR, ENXIO: .notARegularFile(shown)
        case let code: .file(path: shown, operation: "open", code: code)
        }
    }

    func makeFolder(_ name: String, _ path: NotePath) throws(VaultError) {
        guard mkdirat(number, name, 0o700) == 0 || errno == EEXIST else {
            throw .file(path: path.description, operation: "create the folder of", code: errno)
        }
    }

    func names() -> [String] {
        let copy = openat(number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0 else { return [] }
        guard let stream = fdopendir(copy) else {
            close(copy)
            return []
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(validating: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let name { names.append(name) }
        }
        return names
    }

    func status(of name: String) -> stat? {
        var status = stat()
        return fstatat(number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status : nil
    }

    func status(_ path: NotePath) throws(VaultError) -> stat {
        var status = stat()
        guard fstat(number, &status) == 0 else {
            throw .file(path: path.description, operation: "read", code: errno)
        }
        return status
    }

    func readAll(atMost limit: Int, _ path: NotePath) throws(VaultError) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(number, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .file(path: path.description, operation: "read", code: errno) }
            guard count > 0 else { return bytes }
            guard bytes.count + count <= limit else { throw .tooLarge(path: path.description, limit: limit) }
            bytes += chunk.prefix(count)
        }
    }

    func writeAll(_ bytes: [UInt8], _ path: NotePath) throws(VaultError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                write(number, $0.baseAddress?.advanced(by: written), $0.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .file(path: path.description, operation: "write", code: errno) }
            written += count
        }
    }

    func finish(mode: mode_t, _ path: NotePath) throws(VaultError) {
        guard fchmod(number, mode) == 0, fsync(number) == 0 else {
            throw .file(path: path.description, operation: "write", code: errno)
        }
    }

    func rename(_ name: String, to final: String, _ path: NotePath) throws(VaultError) {
        guard renameat(number, name, number, final) == 0, fsync(number) == 0 else {
            throw .file(path: path.description, operation: "replace", code: errno)
        }
    }

    func remove(_ name: String) { unlinkat(number, name, 0) }
}
