internal import Agent
internal import Certs
internal import Glibc
internal import NIOCore
internal import Store

// How does a file get out again? Opened once, so that it stays the same file whatever happens to its name, and read in
// pieces at the pace of whoever takes them.

/// A regular file that is read.
actor FileReader {
    /// Bytes that are read at once.
    static let piece = 256 * 1024

    private let executor = BlockingExecutor(label: "openagent.file")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Bytes of the file when it was opened.
    nonisolated let size: Int64
    private let path: String
    private let descriptor: Int32
    private var position: Int64 = 0

    /// - Throws: ``PrivateFileError`` when it is no regular file, a symbolic link among others.
    init(_ path: String) throws(PrivateFileError) {
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw .init(path: path, operation: "open", code: errno) }
        try self.init(path, descriptor: descriptor)
    }

    /// - Parameter descriptor: is closed with the reader, also when this throws.
    init(_ path: String, descriptor: Int32) throws(PrivateFileError) {
        var status = stat()
        let code = fstat(descriptor, &status) == 0 ? (status.st_mode & S_IFMT == S_IFREG ? 0 : EINVAL) : errno
        guard code == 0 else {
            Glibc.close(descriptor)
            throw .init(path: path, operation: "read", code: code)
        }
        self.path = path
        self.descriptor = descriptor
        size = Int64(status.st_size)
    }

    deinit { Glibc.close(descriptor) }

    func seek(to position: Int64) { self.position = position }

    /// The next bytes, at most `count` of them; nil at the file's end.
    func next(atMost count: Int = FileReader.piece) throws(PrivateFileError) -> ByteBuffer? {
        var bytes = ByteBuffer()
        var code: Int32 = 0
        bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { room in
            while true {
                let read = pread(descriptor, room.baseAddress, min(count, room.count), off_t(position))
                if read >= 0 { return read }
                if errno != EINTR {
                    code = errno
                    return 0
                }
            }
        }
        guard code == 0 else { throw .init(path: path, operation: "read", code: code) }
        position += Int64(bytes.readableBytes)
        return bytes.readableBytes > 0 ? bytes : nil
    }

    /// The SHA-256 of a whole file. Blocks.
    static func digest(of path: String) throws(FileError) -> String {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(.init(path: path, operation: "open", code: errno)) }
        defer { Glibc.close(descriptor) }
        let digest = RunningDigest()
        var piece = [UInt8](repeating: 0, count: Self.piece)
        while true {
            let count = read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileError(.init(path: path, operation: "read", code: errno)) }
            guard count > 0 else { return digest.finish() }
            piece.withUnsafeBytes { digest.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        }
    }
}
