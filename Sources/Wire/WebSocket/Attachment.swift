// How does a file travel with a message? By reference: its bytes go through `/api/upload` and `/api/files/{id}`, the message
// names them (reference: websocket.md §2, §9).

/// A file that belongs to a message of a user or to an answer.
public struct Attachment: Sendable, Equatable {
    public enum Kind: String, Sendable, Codable, CaseIterable { case image, file, voice, video }

    public var kind: Kind
    /// Where the file is on the agent's machine. A client says what `/api/upload` told it; empty when it gives ``id``.
    public var path: String
    /// The name that people see: one path component.
    public var filename: String
    public var mimeType: String?
    /// The file's id, by which `GET /api/files/{id}` serves it.
    public var id: String?
    /// Bytes.
    public var size: Int64?

    public init(
        kind: Kind, path: String, filename: String, mimeType: String? = nil, id: String? = nil, size: Int64? = nil
    ) {
        self.kind = kind
        self.path = path
        self.filename = filename
        self.mimeType = mimeType
        self.id = id
        self.size = size
    }
}

extension Attachment: Codable {
    private enum Key: String, CodingKey {
        case type, kind, path, filename, id, size
        case mimeType = "mime_type"
    }

    /// Reads `kind` or `type`. A kind that this version does not know is a file.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        let named =
            try fields.decodeIfPresent(String.self, forKey: .kind)
            ?? fields.decodeIfPresent(String.self, forKey: .type)
        try self.init(kind: named.flatMap(Kind.init) ?? .file, fields)
    }

    /// Reads the fields of a frame whose `type` says that it is an attachment.
    init(frame decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        let named = try fields.decodeIfPresent(String.self, forKey: .kind)
        try self.init(kind: named.flatMap(Kind.init) ?? .file, fields)
    }

    private init(kind: Kind, _ fields: KeyedDecodingContainer<Key>) throws {
        self.kind = kind
        path = try fields.decodeIfPresent(String.self, forKey: .path) ?? ""
        filename =
            try fields.decodeIfPresent(String.self, forKey: .filename)
            ?? path.split(separator: "/").last.map(String.init) ?? ""
        mimeType = try fields.decodeIfPresent(String.self, forKey: .mimeType)
        id = try fields.decodeIfPresent(String.self, forKey: .id)
        size = try fields.decodeIfPresent(Int64.self, forKey: .size)
    }

    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(kind, forKey: .type)
        try encodeRest(to: &fields)
    }

    /// Writes the fields of a frame whose `type` says that it is an attachment.
    func encodeAsFrame(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(kind, forKey: .kind)
        try encodeRest(to: &fields)
    }

    private func encodeRest(to fields: inout KeyedEncodingContainer<Key>) throws {
        try fields.encode(path, forKey: .path)
        try fields.encode(filename, forKey: .filename)
        try fields.encodeIfPresent(mimeType, forKey: .mimeType)
        try fields.encodeIfPresent(id, forKey: .id)
        try fields.encodeIfPresent(size, forKey: .size)
    }
}
