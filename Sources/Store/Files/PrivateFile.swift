internal import Glibc

// How is a small file written and read that is nobody else's business? Whole or not at all, and readable by its owner
// only. What stands in it is its user's affair. All calls block.

/// Small private files.
public enum PrivateFile {
    /// The largest file that is read unless told otherwise, in bytes.
    public static let maximumSize = 1 << 20

    /// Puts `bytes` in the place of the file at `path`, mode 0600: written beside it, synced, renamed over it. A crash
    /// leaves the old file or the new one.
    public static func replace(_ path: String, with bytes: [UInt8]) throws(PrivateFileError) {
        let temporary = "\(path).\(getpid()).\(UInt32.random(in: .min ... .max)).tmp"
        try create(temporary, bytes)
        FailurePoint.reach(beforeRenameTo: path)
        guard rename(temporary, path) == 0 else {
            let code = errno
            unlink(temporary)
            throw .init(path: path, operation: "replace", code: code)
        }
        syncFolder(of: path)
    }

    /// Writes a file that is not there yet, mode 0600.
    ///
    /// - Returns: false, and nothing was touched, when there is something with that name.
    public static func createIfMissing(_ path: String, with bytes: [UInt8]) throws(PrivateFileError) -> Bool {
        do {
            try create(path, bytes)
            return true
        } catch  where error.code == EEXIST {
            return false
        }
    }

    /// The bytes of a regular file of at most `limit` bytes; nil when there is none at `path`.
    public static func read(_ path: String, limit: Int = maximumSize) throws(PrivateFileError) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw .init(path: path, operation: "open", code: errno)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .init(path: path, operation: "read", code: errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .init(path: path, operation: "read", code: EINVAL) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .init(path: path, operation: "read", code: errno) }
            guard count > 0 else { return bytes }
            guard bytes.count + count <= limit else { throw .init(path: path, operation: "read", code: EFBIG) }
            bytes += chunk.prefix(count)
        }
    }

    /// Makes a folder that only its owner may enter, with the folders above it. One that is there stays as it is.
    public static func createFolder(_ path: String) throws(PrivateFileError) {
        if mkdir(path, 0o700) == 0 { return }
        switch errno {
        case EEXIST:
            var status = stat()
            guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
                throw .init(path: path, operation: "create", code: ENOTDIR)
            }
        case ENOENT:
            guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
                throw .init(path: path, operation: "create", code: ENOENT)
            }
            try createFolder(String(path[..<slash]))
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
                throw .init(path: path, operation: "create", code: errno)
            }
        case let code:
            throw .init(path: path, operation: "create", code: code)
        }
    }

    /// Takes every permission of group and others away from a folder or file of ours that may be there already.
    ///
    /// - Throws: ``PrivateFileError`` when it is a symbolic link, or when it is somebody else's and open to others.
    public static func close(toOthers path: String) throws(PrivateFileError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw .init(path: path, operation: "open", code: errno) }
        guard status.st_mode & S_IFMT != S_IFLNK else { throw .init(path: path, operation: "use", code: ELOOP) }
        guard status.st_mode & 0o077 == 0 || chmod(path, status.st_mode & 0o700) == 0 else {
            throw .init(path: path, operation: "close to others", code: errno)
        }
    }

    /// Runs `body` while no other process of this user runs one for the same path.
    public static func withLock<T>(_ path: String, _ body: () throws -> T) throws -> T {
        let descriptor = open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw PrivateFileError(path: path, operation: "lock", code: errno) }
        defer { close(descriptor) }
        while flock(descriptor, LOCK_EX) != 0 {
            guard errno == EINTR else { throw PrivateFileError(path: path, operation: "lock", code: errno) }
        }
        return try body()
    }

    private static func create(_ path: String, _ bytes: [UInt8]) throws(PrivateFileError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .init(path: path, operation: "create", code: errno) }
        var written = 0
        var code: Int32 = 0
        while written < bytes.count, code == 0 {
            let count = bytes.withUnsafeBytes { bytes in
                Glibc.write(descriptor, bytes.baseAddress?.advanced(by: written), bytes.count - written)
            }
            if count >= 0 { written += count } else if errno != EINTR { code = errno }
        }
        if code == 0, fsync(descriptor) != 0 { code = errno }
        close(descriptor)
        guard code == 0 else {
            unlink(path)
            throw .init(path: path, operation: "write", code: code)
        }
    }

    /// A rename is durable only when its folder is.
    private static func syncFolder(of path: String) {
        guard let slash = path.lastIndex(of: "/") else { return }
        let folder = open(String(path[...slash]), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { return }
        fsync(folder)
        close(folder)
    }

    /// The names in a folder; none when it cannot be read.
    static func names(in folder: String) -> [String] {
        guard let open = opendir(folder) else { return [] }
        defer { closedir(open) }
        var names: [String] = []
        while let entry = readdir(open) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) { name in
                    name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        return names
    }

    /// Makes a file's bytes durable.
    public static func sync(_ path: String) throws(PrivateFileError) {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { throw .init(path: path, operation: "open", code: errno) }
        defer { close(file) }
        guard fsync(file) == 0 else { throw .init(path: path, operation: "write", code: errno) }
    }

    /// Makes the names in a folder durable.
    public static func syncFolder(_ path: String) throws(PrivateFileError) {
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw .init(path: path, operation: "open", code: errno) }
        defer { close(folder) }
        guard fsync(folder) == 0 else { throw .init(path: path, operation: "write", code: errno) }
    }

    private static func close(_ descriptor: Int32) { _ = Glibc.close(descriptor) }
}

/// A file or folder that could not be used.
public struct PrivateFileError: Error, Equatable, CustomStringConvertible {
    public var path: String
    /// What was tried, e.g. `open`.
    public var operation: String
    /// The system's error number.
    public var code: Int32

    public init(path: String, operation: String, code: Int32) {
        self.path = path
        self.operation = operation
        self.code = code
    }

    public var description: String { "cannot \(operation) \(path): \(String(cString: strerror(code)))" }
}
