internal import Foundation

// What is said over REST about files: what became of an upload, how far one is, and why one was refused.

/// A file that the agent keeps: the answer of an upload that is complete.
public struct StoredFile: Codable, Sendable, Equatable {
    public var id: String
    /// Where the agent has it.
    public var path: String
    public var filename: String
    /// Where it can be fetched, `/api/files/<id>`.
    public var url: String
    public var mimeType: String
    /// Bytes.
    public var size: Int64
    /// 64 hexadecimal digits.
    public var sha256: String

    public init(
        id: String, path: String, filename: String, url: String, mimeType: String, size: Int64, sha256: String
    ) {
        self.id = id
        self.path = path
        self.filename = filename
        self.url = url
        self.mimeType = mimeType
        self.size = size
        self.sha256 = sha256
    }

    private enum CodingKeys: String, CodingKey {
        case id, path, filename, url, size, sha256
        case mimeType = "mime_type"
    }

    /// How it is named in a message.
    public var attachment: Attachment {
        Attachment(
            kind: MediaType.kind(of: mimeType), path: path, filename: filename, mimeType: mimeType, id: id, size: size)
    }
}

/// How far an upload in pieces is.
public struct UploadProgress: Codable, Sendable, Equatable {
    public var uploadID: String
    /// Bytes that the agent has: the next piece begins there.
    public var received: Int64
    /// What the upload became, once it is complete.
    public var file: StoredFile?

    public init(uploadID: String, received: Int64, file: StoredFile? = nil) {
        self.uploadID = uploadID
        self.received = received
        self.file = file
    }

    private enum CodingKeys: String, CodingKey {
        case received, file
        case uploadID = "upload_id"
    }
}

/// Why a file was not taken: ``ErrorBody`` and, where they help, numbers.
public struct FileErrorBody: Codable, Sendable, Equatable {
    public var error: ErrorBody.Details
    /// The largest file that the agent takes, in bytes.
    public var limitBytes: Int64?
    /// Where the next piece of this upload begins.
    public var received: Int64?

    public init(
        code: ErrorCode, message: String, hint: String? = nil, limitBytes: Int64? = nil, received: Int64? = nil
    ) {
        error = ErrorBody(code: code, message: message, hint: hint).error
        self.limitBytes = limitBytes
        self.received = received
    }

    private enum CodingKeys: String, CodingKey {
        case error, received
        case limitBytes = "limit_bytes"
    }
}

/// `bytes a-b/total`: which piece of an upload a request carries (RFC 9110 §14.4). `bytes */0` is an empty file.
public struct ContentRange: Sendable, Equatable, CustomStringConvertible {
    /// Empty only for an empty file.
    public var bytes: Range<Int64>
    public var total: Int64

    public init(bytes: Range<Int64>, total: Int64) {
        self.bytes = bytes
        self.total = total
    }

    /// Nil when it is not of this form, or says what cannot be.
    public init?(_ text: String) {
        guard text.hasPrefix("bytes "), text.utf8.count <= 80 else { return nil }
        let parts = text.dropFirst(6).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let total = Self.number(parts[1]) else { return nil }
        self.total = total
        if parts[0] == "*", total == 0 {
            bytes = 0..<0
            return
        }
        let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = Self.number(ends[0]), let last = Self.number(ends[1]), first <= last,
            last < total
        else { return nil }
        bytes = first..<(last + 1)
    }

    public var description: String {
        bytes.isEmpty ? "bytes */\(total)" : "bytes \(bytes.lowerBound)-\(bytes.upperBound - 1)/\(total)"
    }

    static func number(_ text: Substring) -> Int64? {
        guard (1...18).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int64(text)
    }
}

/// A file in `GET /api/files`.
public struct FileBody: Codable, Sendable, Equatable {
    public var id: String
    /// Where the agent has it.
    public var path: String
    public var filename: String
    /// Where it can be fetched, `/api/files/<id>`.
    public var url: String
    public var mimeType: String
    /// Bytes.
    public var size: Int64
    /// 64 hexadecimal digits.
    public var sha256: String
    /// `upload`, `reply` or `voice`.
    public var origin: String
    /// The conversation that it belongs to; nil when it belongs to none.
    public var sessionID: String?
    /// Unix seconds.
    public var createdAt: Double

    public init(_ file: StoredFile, origin: String, sessionID: String?, createdAt: Double) {
        id = file.id
        path = file.path
        filename = file.filename
        url = file.url
        mimeType = file.mimeType
        size = file.size
        sha256 = file.sha256
        self.origin = origin
        self.sessionID = sessionID
        self.createdAt = createdAt
    }

    private enum CodingKeys: String, CodingKey {
        case id, path, filename, url, size, sha256, origin
        case mimeType = "mime_type"
        case sessionID = "session_id"
        case createdAt = "created_at"
    }
}

/// `GET /api/files`
public struct FilesBody: Codable, Sendable, Equatable {
    public var files: [FileBody]
    /// What `cursor` is for the next page; nil when there is none.
    public var nextCursor: String?

    public init(files: [FileBody], nextCursor: String?) {
        self.files = files
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case files
        case nextCursor = "next_cursor"
    }
}

/// `DELETE /api/files/{id}`
public struct FileRemoval: Codable, Sendable, Equatable {
    public var id: String
    public var deleted: Bool

    public init(id: String, deleted: Bool) {
        self.id = id
        self.deleted = deleted
    }
}
