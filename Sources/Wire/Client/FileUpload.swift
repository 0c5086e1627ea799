internal import Certs
internal import Foundation
internal import NIOCore
internal import NIOHTTP1

// How does a file get to the agent over connections that break? In pieces, each of which says where it begins; after a broken
// one the agent is asked how far it came. The same file has the same upload id wherever the upload is begun again, so that it
// is never sent twice.

/// A file on this machine that is to be uploaded.
public struct FileUpload: Sendable {
    /// Bytes of one piece.
    static let piece = 4 << 20
    /// Tries in a row that bring nothing.
    static let tries = 6

    public let filename: String
    /// Bytes.
    public let size: Int64
    /// 64 hexadecimal digits.
    public let sha256: String
    private let path: String

    /// Reads the whole file once, for its digest. Blocks.
    ///
    /// - Throws: ``FileTransferError/unreadable(_:_:)``
    public init(path: String) throws(FileTransferError) {
        self.path = path
        filename = FileName.safe(path)
        let digest = RunningDigest()
        var size: Int64 = 0
        let file = try OpenFile(path)
        while true {
            let bytes = try file.read(atMost: Self.piece, at: size)
            guard bytes.readableBytes > 0 else { break }
            bytes.withUnsafeReadableBytes { digest.update($0) }
            size += Int64(bytes.readableBytes)
        }
        self.size = size
        sha256 = digest.finish()
    }

    /// The same for the same file.
    var id: String {
        let digest = RunningDigest()
        Array("\(sha256)/\(filename)".utf8).withUnsafeBytes { digest.update($0) }
        return digest.finish()
    }

    fileprivate func open() throws(FileTransferError) -> OpenFile { try OpenFile(path) }
}

extension GatewayClient {
    /// Uploads a file, or the rest of one that was begun before. Returns once the agent keeps it.
    ///
    /// - Parameters:
    ///   - patience: waited before the second try in a row; longer before each further one.
    ///   - progress: told how many bytes have arrived.
    /// - Throws: ``FileTransferError``, ``AgentUnreachable``, ``GatewayClientError``, `CancellationError`.
    public func upload(
        _ upload: FileUpload, patience: Duration = .seconds(1), progress: (Int64) -> Void = { _ in }
    ) async throws -> StoredFile {
        let file = try upload.open()
        var offset: Int64 = 0
        // A small file is quicker sent than asked about.
        var isKnown = upload.size <= Int64(FileUpload.piece)
        var failures = 0
        while true {
            do {
                if !isKnown {
                    switch try await state(of: upload) {
                    case .complete(let file): return file
                    case .received(let count): offset = count
                    }
                    isKnown = true
                    progress(offset)
                }
                switch try await send(upload, file, from: offset) {
                case .complete(let file):
                    progress(upload.size)
                    return file
                case .received(let count):
                    // An agent that does not advance is as good as one that is away.
                    failures = count > offset ? 0 : failures + 1
                    guard failures < FileUpload.tries else { throw FileTransferError.stuck }
                    offset = count
                    progress(offset)
                }
            } catch let error where error is GatewayClientError || error is AgentUnreachable {
                failures += 1
                guard failures < FileUpload.tries else { throw error }
                isKnown = false
                try await Task.sleep(for: patience * failures)
            }
        }
    }

    private enum UploadState {
        case received(Int64)
        case complete(StoredFile)
    }

    private func state(of upload: FileUpload) async throws -> UploadState {
        let answer = try await request(path: "/api/upload/\(upload.id)")
        if answer.status == .notFound { return .received(0) }
        guard answer.status == .ok else { throw FileTransferError(answer) }
        let progress = try answer.decoded(as: UploadProgress.self)
        return progress.file.map(UploadState.complete) ?? .received(progress.received)
    }

    private func send(_ upload: FileUpload, _ file: OpenFile, from offset: Int64) async throws -> UploadState {
        let end = min(upload.size, offset + Int64(FileUpload.piece))
        let bytes = try file.read(atMost: Int(end - offset), at: offset)
        guard Int64(bytes.readableBytes) == end - offset else { throw FileTransferError.changed(upload.filename) }
        let name = upload.filename.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        let answer = try await request(
            method: .POST, path: "/api/upload?filename=\(name)&sha256=\(upload.sha256)",
            headers: [
                "Content-Type": MediaType.unknown, "Upload-Id": upload.id,
                "Content-Range": ContentRange(bytes: offset..<end, total: upload.size).description,
            ], body: bytes, timeout: .seconds(300))
        switch answer.status {
        case .created, .ok: return .complete(try answer.decoded(as: StoredFile.self))
        case .accepted: return .received(try answer.decoded(as: UploadProgress.self).received)
        default:
            let body = try? answer.decoded(as: FileErrorBody.self)
            guard answer.status == .conflict, let received = body?.received, (0...upload.size).contains(received) else {
                throw FileTransferError(answer)
            }
            return .received(received)
        }
    }
}

/// Why a file did not get from here to there.
public enum FileTransferError: Error, Equatable, CustomStringConvertible {
    /// A file of this machine.
    case unreadable(_ path: String, _ reason: String)
    /// The file is no longer what it was.
    case changed(_ name: String)
    /// The agent's answer, with its body.
    case refused(status: Int, body: [UInt8])
    /// The agent takes pieces and keeps none.
    case stuck
    /// What arrived is not what the agent has.
    case damaged

    init(_ answer: GatewayResponse) {
        self = .refused(status: Int(answer.status.code), body: Array(buffer: answer.body))
    }

    public var description: String {
        switch self {
        case .unreadable(let path, let reason): "cannot read \(path): \(reason)"
        case .changed(let name): "\(name) was changed while it was being sent"
        case .refused(let status, let body):
            (try? JSONDecoder().decode(ErrorBody.self, from: Data(body)).error.message)
                ?? "the agent answered with status \(status)"
        case .stuck: "the agent does not take the file"
        case .damaged: "the file arrived damaged"
        }
    }
}

extension GatewayResponse {
    fileprivate func decoded<T: Decodable>(as type: T.Type) throws(FileTransferError) -> T {
        do { return try JSONDecoder().decode(type, from: Data(body.readableBytesView)) } catch {
            throw FileTransferError(self)
        }
    }
}

/// An open file of this machine.
final class OpenFile: Sendable {
    private let descriptor: Int32
    private let path: String

    init(_ path: String) throws(FileTransferError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .unreadable(path, String(cString: strerror(errno))) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw .unreadable(path, "it is no regular file")
        }
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    /// Fewer bytes than asked for only at the file's end. Blocks.
    func read(atMost count: Int, at offset: Int64) throws(FileTransferError) -> ByteBuffer {
        var bytes = ByteBuffer()
        var failure: Int32 = 0
        bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { room in
            var done = 0
            while done < count {
                let read = pread(descriptor, room.baseAddress?.advanced(by: done), count - done, off_t(offset) + done)
                if read < 0, errno == EINTR { continue }
                if read < 0 { failure = errno }
                guard read > 0 else { break }
                done += read
            }
            return done
        }
        guard failure == 0 else { throw .unreadable(path, String(cString: strerror(failure))) }
        return bytes
    }
}
