internal import Glibc
internal import Store

// How is a step taken below an open folder, so that no name and no race leads elsewhere? Relative to its parent's
// descriptor, one part of a path at a time, and never through a symbolic link. All calls block.

/// A file descriptor that closes itself. Names given to it are single path parts.
struct FolderDescriptor: ~Copyable {
    let number: Int32

    init(_ number: Int32) {
        self.number = number
    }

    deinit { close(number) }

    func folder(_ name: String, for path: VaultPath?) throws(VaultError) -> FolderDescriptor {
        FolderDescriptor(try open(name, O_RDONLY | O_DIRECTORY, shown: path?.description ?? name))
    }

    /// Opens a regular file for reading. Whatever else has that name is not opened: opening alone may do something.
    func file(_ name: String, for path: VaultPath) throws(VaultError) -> FileDescriptor {
        if let status = status(of: name), status.st_mode & S_IFMT != S_IFREG {
            throw .notARegularFile(path.description)
        }
        return FileDescriptor(try open(name, O_RDONLY | O_NONBLOCK, shown: path.description), path)
    }

    /// Makes a file, which must not be there, mode 0600.
    func newFile(_ name: String, for path: VaultPath) throws(VaultError) -> FileDescriptor {
        FileDescriptor(try open(name, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600, shown: path.description), path)
    }

    func makeFolder(_ name: String, _ path: VaultPath) throws(VaultError) {
        if mkdirat(number, name, 0o700) == 0 { return synchronize() }
        guard errno == EEXIST else {
            throw .file(path: path.description, operation: "create the folder of", code: errno)
        }
    }

    /// What is in the folder, as far as it can be read.
    ///
    /// - Throws: ``VaultError`` when this process has no room to look: that says nothing of the folder.
    func names() throws(VaultError) -> [String] {
        let copy = openat(number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0 else {
            let error = VaultError.file(path: "a folder", operation: "list", code: errno)
            guard error.isShortage else { return [] }
            throw error
        }
        guard let stream = fdopendir(copy) else {
            close(copy)
            throw .file(path: "a folder", operation: "list", code: ENOMEM)
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

    var status: stat? {
        var status = stat()
        return fstat(number, &status) == 0 ? status : nil
    }

    /// Puts the file `name` in the place of `final`, whose content must still have the stamp `expected`.
    ///
    /// - Returns: false, and nothing has changed, when somebody else was there in between.
    func replace(
        _ final: String, expecting expected: NoteStamp, with name: String, _ path: VaultPath
    ) throws(VaultError) -> Bool {
        // The two change places in one step: what was there can be looked at before it is gone for good.
        switch Rename.file(name, in: number, to: final, in: number, .exchanging) {
        case 0:
            guard has(name, expected) else {
                _ = Rename.file(name, in: number, to: final, in: number, .exchanging)
                return false
            }
            remove(name)
        case ENOENT:
            return false
        case ENOSYS:
            guard has(final, expected) else { return false }
            guard renameat(number, name, number, final) == 0 else { throw failure("replace", path) }
        case let code:
            throw .file(path: path.description, operation: "replace", code: code)
        }
        synchronize()
        return true
    }

    /// Removes the file `name`, whose content must still have the stamp `expected`.
    ///
    /// - Parameter hidden: a name that nobody has, for the moment in between.
    /// - Returns: false, and nothing has changed, when somebody else was there in between.
    func remove(
        _ name: String, expecting expected: NoteStamp, hidden: String, _ path: VaultPath
    ) throws(VaultError) -> Bool {
        switch Rename.file(name, in: number, to: hidden, in: number, .keeping) {
        case 0:
            guard has(hidden, expected) else {
                _ = Rename.file(hidden, in: number, to: name, in: number, .keeping)
                return false
            }
            guard remove(hidden) else { throw failure("delete", path) }
        case ENOENT:
            return false
        case ENOSYS:
            guard has(name, expected) else { return false }
            guard remove(name) else { throw failure("delete", path) }
        case let code:
            throw .file(path: path.description, operation: "delete", code: code)
        }
        synchronize()
        return true
    }

    private func has(_ name: String, _ expected: NoteStamp) -> Bool {
        guard let status = status(of: name), status.st_mode & S_IFMT == S_IFREG else { return false }
        return NoteStamp(status).hasContent(of: expected)
    }

    /// Gives the file `name` the name `final`, which nobody may have.
    ///
    /// - Returns: false when somebody has.
    func publish(_ name: String, as final: String, _ path: VaultPath) throws(VaultError) -> Bool {
        try move(name, to: self, as: final, path)
    }

    /// Moves a file to another folder, where nobody may have its new name.
    ///
    /// - Returns: false when somebody has.
    func move(
        _ name: String, to other: borrowing FolderDescriptor, as final: String, _ path: VaultPath
    ) throws(VaultError) -> Bool {
        switch Rename.file(name, in: number, to: final, in: other.number, .keeping) {
        case 0: break
        case EEXIST: return false
        case ENOSYS: guard try link(name, to: other, as: final, path) else { return false }
        case let code:
            throw code == ENOENT
                ? .notFound(path.description) : .file(path: path.description, operation: "move", code: code)
        }
        other.synchronize()
        synchronize()
        return true
    }

    /// The same on file systems with fewer abilities. A crash in the middle leaves the file with both names.
    private func link(
        _ name: String, to other: borrowing FolderDescriptor, as final: String, _ path: VaultPath
    ) throws(VaultError) -> Bool {
        // A second name is refused by the file system itself when somebody has it; a rename would overwrite.
        if linkat(number, name, other.number, final, 0) != 0 {
            if errno == EEXIST { return false }
            guard [EPERM, EOPNOTSUPP, ENOSYS, EMLINK].contains(errno) else { throw failure("move", path) }
            // A file system without second names.
            if other.status(of: final) != nil { return false }
            guard renameat(number, name, other.number, final) == 0 else { throw failure("move", path) }
        } else if unlinkat(number, name, 0) != 0 {
            let failure = failure("move", path)
            other.remove(final)
            throw failure
        }
        return true
    }

    private func failure(_ operation: String, _ path: VaultPath) -> VaultError {
        errno == ENOENT
            ? .notFound(path.description) : .file(path: path.description, operation: operation, code: errno)
    }

    @discardableResult func remove(_ name: String) -> Bool { unlinkat(number, name, 0) == 0 }

    /// Makes the names in the folder durable, where the file system knows how to.
    func synchronize() { fsync(number) }

    private func open(_ name: String, _ flags: Int32, mode: mode_t = 0, shown: String) throws(VaultError) -> Int32 {
        let opened = openat(number, name, flags | O_NOFOLLOW | O_CLOEXEC, mode)
        guard opened < 0 else { return opened }
        throw switch errno {
        case ENOENT: .notFound(shown)
        case ELOOP, ENOTDIR, EISDIR, ENXIO: .notARegularFile(shown)
        case let code: .file(path: shown, operation: "open", code: code)
        }
    }
}

/// An open file that closes itself.
struct FileDescriptor: ~Copyable {
    private let number: Int32
    private let path: VaultPath

    init(_ number: Int32, _ path: VaultPath) {
        self.number = number
        self.path = path
    }

    deinit { close(number) }

    /// The bytes of a regular file, and the stamp of exactly those bytes.
    func readAll(atMost limit: Int) throws(VaultError) -> (bytes: [UInt8], stamp: NoteStamp) {
        var status = stat()
        guard fstat(number, &status) == 0 else { throw failure("read") }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notARegularFile(path.description) }
        guard status.st_size <= limit else { throw .tooLarge(path: path.description, limit: limit) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(status.st_size))
        var chunk = [UInt8](repeating: 0, count: max(1, min(65536, Int(status.st_size) + 1)))
        while true {
            let count = read(number, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("read") }
            guard count > 0 else { return (bytes, NoteStamp(status)) }
            guard bytes.count + count <= limit else { throw .tooLarge(path: path.description, limit: limit) }
            bytes += chunk.prefix(count)
        }
    }

    /// Writes it all, gives it owner and mode of the file in whose place it will be, and waits for the disk.
    func writeAll(_ bytes: [UInt8], like old: stat?) throws(VaultError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                write(number, $0.baseAddress?.advanced(by: written), $0.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("write") }
            written += count
        }
        if let old {
            // As far as permitted: there are file systems without modes, and only root gives files away.
            if old.st_uid != geteuid() || old.st_gid != getegid() { _ = fchown(number, old.st_uid, old.st_gid) }
            _ = fchmod(number, old.st_mode & 0o777)
        }
        guard fsync(number) == 0 else { throw failure("write") }
    }

    private func failure(_ operation: String) -> VaultError {
        .file(path: path.description, operation: operation, code: errno)
    }
}

extension NoteStamp {
    init(_ status: stat) {
        self.init(
            modified: Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec),
            changed: Int64(status.st_ctim.tv_sec) * 1_000_000_000 + Int64(status.st_ctim.tv_nsec),
            size: Int64(status.st_size))
    }
}

/// Which file or folder, whatever it is called.
struct FileIdentity: Equatable, Codable {
    var device: UInt64
    var inode: UInt64

    init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
    }
}
