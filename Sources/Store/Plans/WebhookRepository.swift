internal import GRDB

// Which workflows may be started from outside, and what was delivered? A webhook's secret is kept as it is, because signatures are
// checked with it; nobody but the check reads it. What a signature is, is not known here.

/// A way into a workflow from outside.
public struct WebhookRecord: Sendable, Equatable {
    /// The last part of its address; unique.
    public var slug: String
    public var workflowID: String
    /// How requests are signed.
    public var kind: String
    public var secret: Secret
    public var createdBy: String
    /// Unix seconds, as all times here.
    public var createdAt: Double
    public var updatedAt: Double
    public var lastUsedAt: Double?

    public init(
        slug: String, workflowID: String, kind: String, secret: Secret, createdBy: String, createdAt: Double,
        updatedAt: Double, lastUsedAt: Double? = nil
    ) {
        self.slug = slug
        self.workflowID = workflowID
        self.kind = kind
        self.secret = secret
        self.createdBy = createdBy
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.lastUsedAt = lastUsedAt
    }
}

/// What became of a delivery that is proven.
public enum WebhookReception: Sendable, Equatable {
    /// It is new: the run of this id is to begin.
    case new(run: String)
    /// It came before; its run has begun.
    case repeated(run: String)
    /// It came before, and nobody knows whether its run has begun: it is to begin under the same id.
    case unfinished(run: String)
    /// The very same request was seen before.
    case replayed
    /// The webhook is gone.
    case gone
}

extension DatabaseMigrator {
    mutating func registerWebhooks() {
        registerMigration("2026-11-22 webhooks") { connection in
            try connection.execute(
                sql: """
                    CREATE TABLE webhooks (
                        slug TEXT PRIMARY KEY,
                        workflow_id TEXT NOT NULL REFERENCES workflows (id) ON DELETE CASCADE,
                        kind TEXT NOT NULL,
                        secret TEXT NOT NULL,
                        created_by TEXT NOT NULL,
                        created_at REAL NOT NULL,
                        updated_at REAL NOT NULL,
                        last_used_at REAL
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX webhooks_by_workflow ON webhooks (workflow_id);

                    CREATE TABLE webhook_deliveries (
                        slug TEXT NOT NULL REFERENCES webhooks (slug) ON DELETE CASCADE,
                        delivery TEXT NOT NULL,
                        run TEXT NOT NULL,
                        at REAL NOT NULL,
                        has_begun INTEGER NOT NULL,
                        PRIMARY KEY (slug, delivery)
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX webhook_deliveries_by_time ON webhook_deliveries (at);

                    -- Signatures that were seen: each once.
                    CREATE TABLE webhook_nonces (
                        slug TEXT NOT NULL REFERENCES webhooks (slug) ON DELETE CASCADE,
                        nonce TEXT NOT NULL,
                        at REAL NOT NULL,
                        PRIMARY KEY (slug, nonce)
                    ) STRICT, WITHOUT ROWID;
                    CREATE INDEX webhook_nonces_by_time ON webhook_nonces (at);
                    """)
        }
    }
}

/// The rows of webhooks.
public struct WebhookRepository: Sendable {
    private let database: Database
    /// Seconds for which a delivery is recognised, and for which a signature is refused. No signed time is that old.
    public static let deliveryMemory: Double = 7 * 86_400
    public static let nonceMemory: Double = 3_600
    /// Webhooks of all workflows.
    public static let most = 1_000

    public init(_ database: Database) { self.database = database }

    /// - Throws: ``PlanStorageError``
    /// - Returns: false when there is no such workflow.
    public func insert(_ hook: WebhookRecord) async throws -> Bool {
        try await database.commits.write { connection in
            let other = try Int.fetchOne(
                connection, sql: "SELECT 1 FROM webhooks WHERE slug = ?", arguments: [hook.slug])
            guard other == nil else { throw PlanStorageError.nameTaken(hook.slug) }
            let count = try Int.fetchOne(connection, sql: "SELECT count(*) FROM webhooks") ?? 0
            guard count < Self.most else { throw PlanStorageError.tooMany(Self.most) }
            let workflow = try Int.fetchOne(
                connection, sql: "SELECT 1 FROM workflows WHERE id = ?", arguments: [hook.workflowID])
            guard workflow != nil else { return false }
            try connection.execute(
                sql: """
                    INSERT INTO webhooks (slug, workflow_id, kind, secret, created_by, created_at, updated_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    hook.slug, hook.workflowID, hook.kind, hook.secret.revealed, hook.createdBy, hook.createdAt,
                    hook.updatedAt,
                ])
            return true
        }
    }

    public func webhook(_ slug: String) async throws -> WebhookRecord? {
        guard !slug.utf8.contains(0) else { return nil }
        return try await database.pool.read { try Self.webhook(slug, in: $0) }
    }

    /// Webhooks in the order of their slugs.
    public func webhooks(after: String?, limit: Int) async throws -> [WebhookRecord] {
        try await database.pool.read { connection in
            try Row.fetchAll(
                connection, sql: "SELECT * FROM webhooks WHERE slug > ? ORDER BY slug LIMIT ?",
                arguments: [after ?? "", limit]
            ).map(Self.webhook(from:))
        }
    }

    /// Gives a webhook another secret.
    ///
    /// - Returns: nil when there is none.
    public func rotate(_ slug: String, to secret: Secret, now: Double) async throws -> WebhookRecord? {
        try await database.commits.write { connection in
            try connection.execute(
                sql: "UPDATE webhooks SET secret = ?, updated_at = ? WHERE slug = ?",
                arguments: [secret.revealed, now, slug])
            return try Self.webhook(slug, in: connection)
        }
    }

    /// - Returns: whether there was one.
    public func delete(_ slug: String) async throws -> Bool {
        try await database.commits.write { connection in
            try connection.execute(sql: "DELETE FROM webhooks WHERE slug = ?", arguments: [slug])
            return connection.changesCount == 1
        }
    }

    // MARK: Deliveries

    /// Takes a delivery that is proven, in one transaction.
    ///
    /// - Parameters:
    ///   - delivery: its name; nil: each is another one.
    ///   - nonce: what may be seen once.
    ///   - run: the id of the run, if it is new.
    public func receive(
        _ slug: String, delivery: String?, nonce: String?, run: String, now: Double
    ) async throws -> WebhookReception {
        try await database.commits.write { connection in
            try connection.execute(
                sql: "DELETE FROM webhook_nonces WHERE at < ?", arguments: [now - Self.nonceMemory])
            try connection.execute(
                sql: "DELETE FROM webhook_deliveries WHERE at < ?", arguments: [now - Self.deliveryMemory])
            try connection.execute(sql: "UPDATE webhooks SET last_used_at = ? WHERE slug = ?", arguments: [now, slug])
            guard connection.changesCount == 1 else { return .gone }
            if let nonce {
                try connection.execute(
                    sql: "INSERT OR IGNORE INTO webhook_nonces (slug, nonce, at) VALUES (?, ?, ?)",
                    arguments: [slug, nonce, now])
                guard connection.changesCount == 1 else { return .replayed }
            }
            let name = delivery ?? run
            let earlier = try Row.fetchOne(
                connection, sql: "SELECT run, has_begun FROM webhook_deliveries WHERE slug = ? AND delivery = ?",
                arguments: [slug, name])
            if let earlier {
                let (run, hasBegun): (String, Bool) = (earlier["run"], earlier["has_begun"])
                return hasBegun ? .repeated(run: run) : .unfinished(run: run)
            }
            try connection.execute(
                sql: "INSERT INTO webhook_deliveries (slug, delivery, run, at, has_begun) VALUES (?, ?, ?, ?, 0)",
                arguments: [slug, name, run, now])
            return .new(run: run)
        }
    }

    /// The run of a delivery is on disk.
    public func hasBegun(_ slug: String, run: String) async throws {
        try await database.commits.write { connection in
            try connection.execute(
                sql: "UPDATE webhook_deliveries SET has_begun = 1 WHERE slug = ? AND run = ?", arguments: [slug, run])
        }
    }

    /// The run of a delivery could not begin: whoever sends the same request again is heard again. The delivery stays, as one that is
    /// unfinished.
    public func forget(_ slug: String, nonce: String) async throws {
        try await database.commits.write { connection in
            try connection.execute(
                sql: "DELETE FROM webhook_nonces WHERE slug = ? AND nonce = ?", arguments: [slug, nonce])
        }
    }

    private static func webhook(_ slug: String, in connection: GRDB.Database) throws -> WebhookRecord? {
        try Row.fetchOne(connection, sql: "SELECT * FROM webhooks WHERE slug = ?", arguments: [slug])
            .map(webhook(from:))
    }

    private static func webhook(from row: Row) -> WebhookRecord {
        WebhookRecord(
            slug: row["slug"], workflowID: row["workflow_id"], kind: row["kind"], secret: Secret(row["secret"]),
            createdBy: row["created_by"], createdAt: row["created_at"], updatedAt: row["updated_at"],
            lastUsedAt: row["last_used_at"])
    }
}
