PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
INSERT INTO grdb_migrations VALUES('2026-11-21 network');
INSERT INTO grdb_migrations VALUES('2026-11-21 member agents');
CREATE TABLE network (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
    role TEXT NOT NULL DEFAULT 'standalone' CHECK (role IN ('standalone', 'coordinator', 'member')),
    network_id TEXT NOT NULL,
    name TEXT NOT NULL,
    coordinator_node_id TEXT NOT NULL,
    coordinator_pubkey BLOB NOT NULL CHECK (length(coordinator_pubkey) = 32),
    created_at REAL NOT NULL
, agent_handle TEXT, agent_certificate BLOB, coordinator_addresses TEXT NOT NULL DEFAULT '[]') STRICT;
INSERT INTO network VALUES(1,'coordinator','net-1','Zuhause ☕','aa',X'0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a',1763000000.25,NULL,NULL,'[]');
CREATE TABLE network_users (
    handle TEXT PRIMARY KEY,
    pake_record BLOB NOT NULL,
    pake_algo TEXT NOT NULL DEFAULT 'srp6a',
    role TEXT NOT NULL DEFAULT 'member' CHECK (role IN ('member', 'admin')),
    status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    created_at REAL NOT NULL
) STRICT;
INSERT INTO network_users VALUES('alice',X'00ff10','srp6a','admin','active',1763000001.5);
INSERT INTO network_users VALUES('böb',X'','srp6a','member','suspended',1763000002.0);
CREATE TABLE network_devices (
    device_pubkey BLOB PRIMARY KEY CHECK (length(device_pubkey) = 32),
    user_handle TEXT NOT NULL REFERENCES network_users(handle) ON DELETE CASCADE,
    label TEXT,
    status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'revoked')),
    added_at REAL NOT NULL,
    last_seen REAL
) STRICT;
INSERT INTO network_devices VALUES(X'0101010101010101010101010101010101010101010101010101010101010101','alice','phone ''A''','active',1763000003.0,1763000010.125);
INSERT INTO network_devices VALUES(X'0202020202020202020202020202020202020202020202020202020202020202','böb',NULL,'revoked',1763000004.0,NULL);
CREATE TABLE network_agents (
    handle TEXT PRIMARY KEY,
    node_id TEXT NOT NULL,
    label TEXT,
    owner_handle TEXT NOT NULL,
    added_at REAL NOT NULL,
    last_seen REAL
, addresses TEXT NOT NULL DEFAULT '[]') STRICT;
INSERT INTO network_agents VALUES('my-agent','aa','the agent','alice',1763000005.0,NULL,'[]');
INSERT INTO network_agents VALUES('other','bb',NULL,'alice',1763000012.0,1763000013.0,'["10.0.0.1:4433"]');
CREATE TABLE network_invitations (
    code TEXT PRIMARY KEY,
    role TEXT NOT NULL CHECK (role IN ('user', 'device', 'agent')),
    created_by TEXT,
    bind_to_handle TEXT,
    uses_left INTEGER NOT NULL DEFAULT 1 CHECK (uses_left >= 0),
    expires_at REAL NOT NULL,
    created_at REAL NOT NULL,
    used_at REAL
, label TEXT, refusals INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO network_invitations VALUES('code-1','user','alice',NULL,3,1763900000.0,1763000006.0,NULL,NULL,0);
INSERT INTO network_invitations VALUES('code-2','device','alice','alice',0,1763900000.0,1763000007.0,1763000008.0,NULL,0);
INSERT INTO network_invitations VALUES('code-3','agent','alice',NULL,1,1763900000.0,1763000014.0,NULL,'a label',2);
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    actor TEXT NOT NULL,
    actor_device BLOB,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    result TEXT NOT NULL
) STRICT;
INSERT INTO audit VALUES(1,1763000009.0,'alice',X'0101010101010101010101010101010101010101010101010101010101010101','user.suspend','böb','done');
INSERT INTO audit VALUES(2,1763000011.0,'system',NULL,'start','','done');
CREATE TABLE network_revoked_keys (
    device_pubkey BLOB PRIMARY KEY CHECK (length(device_pubkey) = 32),
    revoked_at REAL NOT NULL
) STRICT;
INSERT INTO network_revoked_keys VALUES(X'0303030303030303030303030303030303030303030303030303030303030303',1763000015.0);
CREATE INDEX network_devices_of_user ON network_devices(user_handle);
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit table is append-only'); END;
CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit table is append-only'); END;
CREATE TRIGGER audit_is_never_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the audit table is append-only'); END;
CREATE UNIQUE INDEX network_agents_by_node ON network_agents(node_id);
COMMIT;
