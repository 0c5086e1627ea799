internal import Glibc

// How is a small file of the agent's own written and read? Whole or not at all, and readable by its owner only. What
// stands in it is its user's business. The calls block.

/// Small private files.
enum PrivateFile {
    /// The largest file that is read.
    static let maximumSize = 1 << 20

    /// Puts `bytes` in the place of the file at `path`, mode 0600: written beside it, synced, renamed over it.
    static func write(_ bytes: [UInt8], to path: String) throws(LifecycleFileError) {
        let temporary = "\(path).\(getpid()).\(UInt32.random(in: .min ... .max)).tmp"
        try create(temporary, bytes)
        guard rename(temporary, path) == 0 else {
            let code = errno
            unlink(temporary)
            throw .init(path: path, operation: "replace", code: code)
        }
    }

    /// Writes a file that is not there yet.
    ///
    /// - Returns: false, and nothing was touched, when there is something with that name.
    static func writeIfMissing(_ bytes: [UInt8], to path: String) throws(LifecycleFileError) -> Bool {
        do {
            try create(path, bytes)
            return true
        } catch  where error.code == EEXIST {
            return false
        }
    }

    /// The bytes of a regular file of at most ``maximumSize`` bytes; nil when there is none at `path`.
    static func read(_ path: String) throws(LifecycleFileError) -> [UInt8]? {
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
            guard bytes.count + count <= maximumSize else { throw .init(path: path, operation: "read", code: EFBIG) }
            bytes += chunk.prefix(count)
        }
    }

    /// Makes a folder that only its owner may enter, with the folders above it.
    static func createFolder(_ path: String) throws(LifecycleFileError) {
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

    private static func create(_ path: String, _ bytes: [UInt8]) throws(LifecycleFileError) {
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
}

/// A file of the agent's directory that could not be used.
public struct LifecycleFileError: Error, Equatable, CustomStringConvertible {
    public var path: String
    /// What was tried, e.g. `open`.
    public var operation: String
    /// The system's error number.
    public var code: Int32

    public var description: String { "cannot \(operation) \(path): \(String(cString: strerror(code)))" }
}
