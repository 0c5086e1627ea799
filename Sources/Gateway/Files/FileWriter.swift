internal import Agent
internal import Certs
internal import Glibc
internal import NIOCore
internal import Store

// How do bytes that arrive piece by piece get into a file? One after the other, at the pace of the disk and on a thread
// that may wait for it. It knows a path and a bound; what the file is for is somebody else's business.

/// A private file that grows.
actor FileWriter {
    /// Bytes of the disk that files leave free, at most: messages must find room where files find none.
    static let reserve: UInt64 = 256 << 20

    private let executor = BlockingExecutor(label: "openagent.file")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    nonisolated let path: String
    /// Bytes that are in the file.
    private(set) var size: Int64
    private let limit: Int64
    private var descriptor: Int32
    /// Nil when the beginning was written by another process.
    private let digest: RunningDigest?

    /// Makes the file, which must not be there, or goes on at the end of the one that may be.
    ///
    /// - Parameter limit: the most bytes that the file may have.
    init(_ path: String, resuming: Bool = false, limit: Int64) throws(FileError) {
        let flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_CREAT | (resuming ? O_APPEND : O_EXCL)
        let descriptor = open(path, flags, 0o600)
        guard descriptor >= 0 else { throw FileError(.init(path: path, operation: "create", code: errno)) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw FileError(.init(path: path, operation: "read", code: code))
        }
        self.path = path
        self.descriptor = descriptor
        self.limit = limit
        size = Int64(status.st_size)
        digest = status.st_size == 0 ? RunningDigest() : nil
    }

    deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

    /// Returns once the bytes are written, so that whoever sends them is held back by the disk.
    func append(_ bytes: ByteBuffer) throws(FileError) {
        guard descriptor >= 0 else { throw .superseded }
        guard Int64(bytes.readableBytes) <= limit - size else { throw .tooLarge(limit: limit) }
        guard hasRoom(for: bytes.readableBytes) else { throw .noSpace }
        let code: Int32 = bytes.withUnsafeReadableBytes { all in
            var rest = all[...]
            while let start = UnsafeRawBufferPointer(rebasing: rest).baseAddress, !rest.isEmpty {
                let count = write(descriptor, start, rest.count)
                if count >= 0 { rest = rest.dropFirst(count) } else if errno != EINTR { return errno }
            }
            digest?.update(all)
            return 0
        }
        guard code == 0 else { throw FileError(.init(path: path, operation: "write", code: code)) }
        size += Int64(bytes.readableBytes)
    }

    /// Whether the disk has room besides the reserve, which is a twentieth of a small disk.
    private func hasRoom(for count: Int) -> Bool {
        var status = statvfs()
        guard fstatvfs(descriptor, &status) == 0, status.f_blocks > 0 else { return true }
        let block = UInt64(status.f_frsize)
        let reserve = min(Self.reserve, UInt64(status.f_blocks) / 20 * block)
        return UInt64(status.f_bavail) * block >= reserve + UInt64(count)
    }

    /// What is written is on the disk when this returns.
    func sync() throws(FileError) {
        guard descriptor >= 0 else { throw .superseded }
        guard fsync(descriptor) == 0 else { throw FileError(.init(path: path, operation: "write", code: errno)) }
    }

    /// Ends the writing.
    ///
    /// - Returns: the size and the SHA-256 of the whole file.
    func finish() throws(FileError) -> (size: Int64, sha256: String) {
        try sync()
        close()
        if let digest { return (size, digest.finish()) }
        return (size, try FileReader.digest(of: path))
    }

    /// Nothing is written any more.
    func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }
}
