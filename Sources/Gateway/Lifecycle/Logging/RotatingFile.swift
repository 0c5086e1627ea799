internal import Glibc
internal import Store

// How does a file of lines stay small? When it is full it becomes number 1, number 1 becomes number 2, and the last one goes.
// Several processes may write to the same file: each sees when another one has divided it. A line is there whole or not at
// all, except at the very end of a file whose writer was killed; whoever opens it again begins on a new line.

/// A private file of lines that is divided by size. One caller at a time.
struct RotatingFile: Sendable {
    let path: String
    let limits: LogFileLimits
    private var descriptor: Int32 = -1

    /// Makes the file with mode 0600, and missing folders with 0700.
    ///
    /// - Throws: ``PrivateFileError``
    init(_ path: String, limits: LogFileLimits) throws(PrivateFileError) {
        self.path = path
        self.limits = limits
        if let slash = path.lastIndex(of: "/"), slash > path.startIndex {
            try PrivateFile.createFolder(String(path[..<slash]))
        }
        try open()
    }

    /// The name of an older file; 1 is the youngest of them.
    static func older(_ path: String, _ number: Int) -> String { "\(path).\(number)" }

    /// To be called once, when nothing is written any more.
    func close() { if descriptor >= 0 { _ = Glibc.close(descriptor) } }

    /// Writes whole lines at the end.
    ///
    /// - Returns: false when they could not be written; then nothing of them is in the file.
    mutating func append(_ bytes: [UInt8]) -> Bool {
        guard var size = currentSize() else { return false }
        if size > 0, size + bytes.count > limits.size {
            guard divide(), let fresh = currentSize() else { return false }
            size = fresh
        }
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { bytes in
                write(descriptor, bytes.baseAddress?.advanced(by: written), bytes.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                takeBack(written, from: size)
                return false
            }
            written += count
        }
        return true
    }

    /// Returns once all that was written is on disk.
    func synchronize() { if descriptor >= 0 { _ = fdatasync(descriptor) } }

    // MARK: Files

    private mutating func open() throws(PrivateFileError) {
        if descriptor >= 0 { _ = Glibc.close(descriptor) }
        descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .init(path: path, operation: "open", code: errno) }
        guard fchmod(descriptor, 0o600) == 0 else {
            throw .init(path: path, operation: "close to others", code: errno)
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size > 0 else { return }
        var last: UInt8 = 0
        if pread(descriptor, &last, 1, status.st_size - 1) == 1, last != UInt8(ascii: "\n") {
            last = UInt8(ascii: "\n")
            _ = write(descriptor, &last, 1)
        }
    }

    /// Bytes of the file that has the name now, opened anew if that is another one than before.
    private mutating func currentSize() -> Int? {
        if !isCurrent(), (try? open()) == nil { return nil }
        var status = stat()
        return fstat(descriptor, &status) == 0 ? Int(status.st_size) : nil
    }

    private func isCurrent() -> Bool {
        var (named, own) = (stat(), stat())
        return descriptor >= 0 && stat(path, &named) == 0 && fstat(descriptor, &own) == 0
            && named.st_ino == own.st_ino && named.st_dev == own.st_dev
    }

    /// - Returns: false when the file cannot be moved: it must not grow on.
    private mutating func divide() -> Bool {
        guard flock(descriptor, LOCK_EX) == 0 else { return false }
        // Another process may have done it while this one waited; the lock goes with the descriptor.
        guard isCurrent() else { return (try? open()) != nil }
        if limits.keep == 0 {
            guard unlink(path) == 0 else {
                flock(descriptor, LOCK_UN)
                return false
            }
        } else {
            var surplus = limits.keep
            while unlink(Self.older(path, surplus)) == 0 || surplus == limits.keep { surplus += 1 }
            for number in stride(from: limits.keep - 1, through: 1, by: -1) {
                _ = rename(Self.older(path, number), Self.older(path, number + 1))
            }
            guard rename(path, Self.older(path, 1)) == 0 else {
                flock(descriptor, LOCK_UN)
                return false
            }
        }
        return (try? open()) != nil
    }

    /// Half a line helps nobody. Left alone when another process has written meanwhile.
    private func takeBack(_ written: Int, from size: Int) {
        var status = stat()
        guard written > 0, fstat(descriptor, &status) == 0, Int(status.st_size) == size + written else { return }
        _ = ftruncate(descriptor, off_t(size))
    }
}
