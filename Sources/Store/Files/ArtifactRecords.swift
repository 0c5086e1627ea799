internal import GRDB

// Which files do users and their agent exchange, and whose are they? One row for each file that is complete and on disk;
// the row is the last thing that is written, so that nobody sees half a file. Bytes and folders are the gateway's affair.

/// A file that was uploaded, or that an answer carries.
public struct ArtifactRecord: Sendable, Equatable {
    public enum Origin: String, Sendable, CaseIterable {
        case upload
        /// An answer named it; this is the copy that was made then.
        case reply
        /// Speech, heard or spoken.
        case voice
    }

    /// 32 hexadecimal digits that cannot be guessed.
    public var id: String
    /// The handle of the only user who may have it.
    public var owner: String
    /// The session that it belongs to, when it belongs to one.
    public var sessionID: String?
    /// One path component.
    public var filename: String
    public var mimeType: String
    /// Bytes.
    public var size: Int64
    /// 64 hexadecimal digits.
    public var sha256: String
    public var origin: Origin
    /// The id that the uploading client chose, when it sent the file in pieces.
    public var uploadID: String?
    /// Unix seconds.
    public var createdAt: Double

    public init(
        id: String, owner: String, sessionID: String? = nil, filename: String, mimeType: String, size: Int64,
        sha256: String, origin: Origin, uploadID: String? = nil, createdAt: Double
    ) {
        self.id = id
        self.owner = owner
        self.sessionID = sessionID
        self.filename = filename
        self.mimeType = mimeType
        self.size = size
        self.sha256 = sha256
        self.origin = origin
        self.uploadID = uploadID
        self.createdAt = createdAt
    }
}

/// The rows of files.
public struct ArtifactRepository: Sendable {
    private let sessions: SessionRepository
    private var pool: DatabasePool { sessions.database.pool }

    public init(_ database: Database) { sessions = SessionRepository(database) }

    /// Makes a file visible to its owner. Its bytes must be durable by then.
    public func insert(_ record: ArtifactRecord) async throws {
        try await sessions.write(.keepArtifact) { connection in
            try connection.execute(
                sql: """
                    INSERT INTO artifacts
                        (id, owner, session_id, filename, mime_type, size, sha256, origin, upload_id, created_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    record.id, record.owner, record.sessionID, record.filename, record.mimeType, record.size,
                    record.sha256, record.origin.rawValue, record.uploadID, record.createdAt,
                ])
        }
    }

    /// One of the owner's files; nil when there is none of this id, or it is somebody else's.
    public func artifact(_ id: String, of owner: String) async throws -> ArtifactRecord? {
        try await first("id = ? AND owner = ?", [id, owner])
    }

    /// What an upload in pieces became.
    public func artifact(uploadID: String, of owner: String) async throws -> ArtifactRecord? {
        try await first("upload_id = ? AND owner = ?", [uploadID, owner])
    }

    /// Whether there is a file of this id, whoever's it is.
    public func contains(_ id: String) throws -> Bool {
        try pool.read { connection in
            try Bool.fetchOne(connection, sql: "SELECT EXISTS (SELECT 1 FROM artifacts WHERE id = ?)", arguments: [id])
                ?? false
        }
    }

    /// What a user has.
    public struct Usage: Sendable, Equatable {
        public var files: Int
        public var bytes: Int64
    }

    /// How many files the owner has, and of how many bytes.
    public func usage(of owner: String) async throws -> Usage {
        try await pool.read { connection in
            let row = try Row.fetchOne(
                connection, sql: "SELECT count(*) AS files, total(size) AS bytes FROM artifacts WHERE owner = ?",
                arguments: [owner])
            let bytes: Double = row?["bytes"] ?? 0
            return Usage(files: row?["files"] ?? 0, bytes: Int64(clamping: Int(bytes)))
        }
    }

    /// Where a page of files ended.
    public struct Position: Sendable, Equatable, Codable {
        /// Unix seconds.
        public var createdAt: Double
        public var id: String

        public init(createdAt: Double, id: String) {
            self.createdAt = createdAt
            self.id = id
        }
    }

    /// The owner's files, the newest first.
    ///
    /// - Parameters:
    ///   - sessionID: only those of this session; nil: all.
    ///   - after: the last one that is not wanted again; nil: from the beginning.
    public func artifacts(
        of owner: String, sessionID: String? = nil, after: Position? = nil, limit: Int
    ) async throws -> [ArtifactRecord] {
        try await pool.read { connection in
            try Row.fetchAll(
                connection,
                sql: """
                    SELECT * FROM artifacts
                    WHERE owner = :owner AND (:session IS NULL OR session_id = :session)
                        AND (:time IS NULL OR (created_at, id) < (:time, :id))
                    ORDER BY created_at DESC, id DESC LIMIT :limit
                    """,
                arguments: [
                    "owner": owner, "session": sessionID, "time": after?.createdAt, "id": after?.id, "limit": limit,
                ]
            ).map(Self.record)
        }
    }

    /// Forgets a file. Its bytes are to be removed after that.
    ///
    /// - Returns: false when the owner has none of this id.
    public func delete(_ id: String, of owner: String) async throws -> Bool {
        try await pool.write { connection in
            try connection.execute(
                sql: "DELETE FROM artifacts WHERE id = ? AND owner = ?", arguments: [id, owner])
            return connection.changesCount > 0
        }
    }

    private func first(_ condition: String, _ arguments: StatementArguments) async throws -> ArtifactRecord? {
        try await pool.read { connection in
            try Row.fetchOne(connection, sql: "SELECT * FROM artifacts WHERE \(condition)", arguments: arguments)
                .map(Self.record)
        }
    }

    private static func record(_ row: Row) -> ArtifactRecord {
        ArtifactRecord(
            id: row["id"], owner: row["owner"], sessionID: row["session_id"], filename: row["filename"],
            mimeType: row["mime_type"], size: row["size"], sha256: row["sha256"],
            origin: ArtifactRecord.Origin(rawValue: row["origin"]) ?? .upload, uploadID: row["upload_id"],
            createdAt: row["created_at"])
    }
}

extension DatabaseMigrator {
    /// The table of files.
    mutating func registerArtifacts() {
        registerMigration("2026-11-21 artifacts") { connection in
            try connection.execute(
                sql: """
                    CREATE TABLE artifacts (
                        id TEXT PRIMARY KEY,
                        owner TEXT NOT NULL,
                        session_id TEXT,
                        filename TEXT NOT NULL,
                        mime_type TEXT NOT NULL,
                        size INTEGER NOT NULL,
                        sha256 TEXT NOT NULL,
                        origin TEXT NOT NULL CHECK (origin IN ('upload', 'reply', 'voice')),
                        upload_id TEXT,
                        created_at REAL NOT NULL
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX artifacts_by_owner ON artifacts (owner, created_at);
                    CREATE UNIQUE INDEX artifacts_by_upload ON artifacts (owner, upload_id)
                        WHERE upload_id IS NOT NULL;
                    """)
        }
    }
}
