internal import Certs
internal import Foundation
public import NIOCore
internal import NIOHTTP1

// How does a file come back from the agent? As it is written, from where the last connection broke, and checked against its
// digest at the end. Where the bytes go is the caller's affair.

extension GatewayClient {
    /// What a file is called and how large it is.
    public struct Download: Sendable, Equatable {
        /// Safe as a name here.
        public var filename: String
        /// Bytes.
        public var size: Int64
    }

    /// Fetches a file of the user.
    ///
    /// - Parameters:
    ///   - patience: waited before the second try in a row; longer before each further one.
    ///   - begin: called once, before the first byte.
    ///   - write: takes the bytes in their order.
    /// - Throws: ``FileTransferError``, ``AgentUnreachable``, ``GatewayClientError``, and what `begin` and `write` throw.
    public func download(
        _ id: String, patience: Duration = .seconds(1), begin: (Download) throws -> Void,
        write: (ByteBuffer) throws -> Void
    ) async throws -> Download {
        let digest = RunningDigest()
        var known: (download: Download, tag: String)?
        var offset: Int64 = 0
        var failures = 0
        while true {
            do {
                var request = GatewayRequest(path: "/api/files/\(id)")
                if let known, offset > 0 {
                    request.headers = ["Range": "bytes=\(offset)-", "If-Range": known.tag]
                }
                let isResumed = offset > 0
                // Without a result: what was read so far counts also when the stream breaks off.
                try await withResponse(request) { head, body in
                    guard head.status == (isResumed ? .partialContent : .ok) else {
                        guard head.status != .ok else { throw FileTransferError.changed(id) }
                        let text = try await body.collect(upTo: 64 * 1024)
                        throw FileTransferError.refused(status: Int(head.status.code), body: Array(buffer: text))
                    }
                    if known == nil {
                        let download = Self.describe(head)
                        known = (download, head.headers.first(name: "ETag") ?? "")
                        try begin(download)
                    }
                    while let bytes = try await body.next() {
                        bytes.withUnsafeReadableBytes { digest.update($0) }
                        try write(bytes)
                        offset += Int64(bytes.readableBytes)
                        failures = 0
                    }
                }
                guard let (download, tag) = known, offset == download.size, tag == "\"\(digest.finish())\"" else {
                    throw FileTransferError.damaged
                }
                return download
            } catch let error where error is GatewayClientError || error is AgentUnreachable {
                // All is here but the stream's end.
                if let (download, tag) = known, offset == download.size, tag == "\"\(digest.finish())\"" {
                    return download
                }
                failures += 1
                guard failures < FileUpload.tries else { throw error }
                try await Task.sleep(for: patience * failures)
            }
        }
    }

    private static func describe(_ head: HTTPResponseHead) -> Download {
        let named = head.headers.first(name: "Content-Disposition").flatMap(ContentDisposition.read)?.filename
        let size = head.headers.first(name: "Content-Length").flatMap { Int64($0) } ?? 0
        return Download(filename: FileName.safe(named ?? ""), size: size)
    }
}
