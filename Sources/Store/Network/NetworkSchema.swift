internal import GRDB

// Which tables hold network state? Those of network.md §5.1 of the reference with the same names and columns, plus the
// user's role and the audit table. What must never be is refused by SQLite itself: unknown statuses, a device without a
// user, an invitation with less than zero uses, an audit row that changes.

extension DatabaseMigrator {
    /// Tables of network state.
    mutating func registerNetworkTables() {
        registerMigration("2026-11-21 network") { database in
            try database.execute(sql: NetworkSchema.tables)
        }
        registerMigration("2026-11-21 member agents") { database in
            try database.execute(sql: NetworkSchema.memberAgents)
        }
    }
}

private enum NetworkSchema {
    static let tables = """
        CREATE TABLE network (
            singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
            role TEXT NOT NULL DEFAULT 'standalone' CHECK (role IN ('standalone', 'coordinator', 'member')),
            network_id TEXT NOT NULL,
            name TEXT NOT NULL,
            coordinator_node_id TEXT NOT NULL,
            coordinator_pubkey BLOB NOT NULL CHECK (length(coordinator_pubkey) = 32),
            created_at REAL NOT NULL
        ) STRICT;

        CREATE TABLE network_users (
            handle TEXT PRIMARY KEY,
            pake_record BLOB NOT NULL,
            pake_algo TEXT NOT NULL DEFAULT 'srp6a',
            role TEXT NOT NULL DEFAULT 'member' CHECK (role IN ('member', 'admin')),
            status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
            created_at REAL NOT NULL
        ) STRICT;

        CREATE TABLE network_devices (
            device_pubkey BLOB PRIMARY KEY CHECK (length(device_pubkey) = 32),
            user_handle TEXT NOT NULL REFERENCES network_users(handle) ON DELETE CASCADE,
            label TEXT,
            status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'revoked')),
            added_at REAL NOT NULL,
            last_seen REAL
        ) STRICT;
        CREATE INDEX network_devices_of_user ON network_devices(user_handle);

        CREATE TABLE network_agents (
            handle TEXT PRIMARY KEY,
            node_id TEXT NOT NULL,
            label TEXT,
            owner_handle TEXT NOT NULL,
            added_at REAL NOT NULL,
            last_seen REAL
        ) STRICT;

        CREATE TABLE network_invitations (
            code TEXT PRIMARY KEY,
            role TEXT NOT NULL CHECK (role IN ('user', 'device', 'agent')),
            created_by TEXT,
            bind_to_handle TEXT,
            uses_left INTEGER NOT NULL DEFAULT 1 CHECK (uses_left >= 0),
            expires_at REAL NOT NULL,
            created_at REAL NOT NULL,
            used_at REAL
        ) STRICT;

        CREATE TABLE audit (
            id INTEGER PRIMARY KEY,
            at REAL NOT NULL,
            actor TEXT NOT NULL,
            actor_device BLOB,
            action TEXT NOT NULL,
            subject TEXT NOT NULL,
            result TEXT NOT NULL
        ) STRICT;
        CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit table is append-only'); END;
        CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit table is append-only'); END;
        CREATE TRIGGER audit_is_never_replaced BEFORE INSERT ON audit
        WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
        BEGIN SELECT RAISE(ABORT, 'the audit table is append-only'); END;
        """

    static let memberAgents = """
        ALTER TABLE network ADD COLUMN agent_handle TEXT;
        ALTER TABLE network ADD COLUMN agent_certificate BLOB;
        ALTER TABLE network ADD COLUMN coordinator_addresses TEXT NOT NULL DEFAULT '[]';
        ALTER TABLE network_agents ADD COLUMN addresses TEXT NOT NULL DEFAULT '[]';
        ALTER TABLE network_invitations ADD COLUMN label TEXT;
        ALTER TABLE network_invitations ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0;
        CREATE UNIQUE INDEX network_agents_by_node ON network_agents(node_id);

        -- What was revoked stays revoked when its user is removed.
        CREATE TABLE network_revoked_keys (
            device_pubkey BLOB PRIMARY KEY CHECK (length(device_pubkey) = 32),
            revoked_at REAL NOT NULL
        ) STRICT;
        """
}
