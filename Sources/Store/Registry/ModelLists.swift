internal import GRDB

// What did each provider say that it has? Its last good list, kept so that a restart shows it at once. What an entry means is its
// writer's business; a list goes with its provider.

/// A provider's last good list.
public struct ModelListRecord: Sendable, Equatable {
    public var providerID: Int64
    /// Of the provider's row when it was asked: another key or address makes it another list.
    public var version: Double
    /// As whoever wrote it writes lists.
    public var models: String
    /// Unix seconds.
    public var fetchedAt: Double

    public init(providerID: Int64, version: Double, models: String, fetchedAt: Double) {
        self.providerID = providerID
        self.version = version
        self.models = models
        self.fetchedAt = fetchedAt
    }
}

extension DatabaseMigrator {
    /// The table of lists of models.
    mutating func registerModelLists() {
        registerMigration("2026-11-22 model lists") { connection in
            try connection.execute(
                sql: """
                    CREATE TABLE model_lists (
                        provider_id INTEGER PRIMARY KEY REFERENCES providers (id) ON DELETE CASCADE,
                        version REAL NOT NULL,
                        models TEXT NOT NULL,
                        fetched_at REAL NOT NULL
                    ) STRICT;
                    """)
        }
    }
}

extension RegistryReader {
    public func modelLists() throws -> [ModelListRecord] {
        try Row.fetchAll(connection, sql: "SELECT * FROM model_lists ORDER BY provider_id").map { row in
            ModelListRecord(
                providerID: row["provider_id"], version: row["version"], models: row["models"],
                fetchedAt: row["fetched_at"])
        }
    }
}

extension RegistryTransaction {
    /// Keeps a list in the place of the provider's earlier one. Nothing happens when the provider is gone.
    public func put(_ list: ModelListRecord) throws {
        try connection.execute(
            sql: """
                INSERT INTO model_lists (provider_id, version, models, fetched_at)
                SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM providers WHERE id = ?1)
                ON CONFLICT (provider_id) DO UPDATE SET version = ?2, models = ?3, fetched_at = ?4
                """,
            arguments: [list.providerID, list.version, list.models, list.fetchedAt])
    }
}
