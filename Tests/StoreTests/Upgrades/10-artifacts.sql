PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
INSERT INTO grdb_migrations VALUES('2026-11-21 network');
INSERT INTO grdb_migrations VALUES('2026-11-21 member agents');
INSERT INTO grdb_migrations VALUES('2026-11-21 sessions');
INSERT INTO grdb_migrations VALUES('2026-11-21 turn content');
INSERT INTO grdb_migrations VALUES('2026-11-21 turn messages');
INSERT INTO grdb_migrations VALUES('2026-11-21 event ages');
INSERT INTO grdb_migrations VALUES('2026-11-21 session archive');
INSERT INTO grdb_migrations VALUES('2026-11-21 turn usage');
INSERT INTO grdb_migrations VALUES('2026-11-21 session context');
INSERT INTO grdb_migrations VALUES('2026-11-21 artifacts');
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
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    handle TEXT NOT NULL,
    session_id TEXT NOT NULL,
    -- Every event number up to this one may have been used.
    sequence_high INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL, sequence_floor INTEGER NOT NULL DEFAULT 0, model TEXT,
    UNIQUE (handle, session_id)
) STRICT;
INSERT INTO sessions VALUES(1,'alice','main',12,1763000100.0,0,NULL);
INSERT INTO sessions VALUES(2,'böb','main',0,1763000101.0,0,NULL);
INSERT INTO sessions VALUES(3,'alice','long ago',4096,1763000130.0,3000,NULL);
INSERT INTO sessions VALUES(4,'alice','chosen',0,1763000150.0,0,'builtin:librarian');
CREATE TABLE turns (
    id TEXT PRIMARY KEY,
    -- The order of acceptance, over all lanes.
    ordinal INTEGER NOT NULL UNIQUE,
    lane TEXT NOT NULL,
    session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    message_id TEXT,
    text TEXT NOT NULL,
    state TEXT NOT NULL CHECK (
        state IN ('accepted', 'running', 'completed', 'failed', 'cancelled', 'interrupted')),
    accepted_at REAL NOT NULL,
    started_at REAL,
    finished_at REAL
, source TEXT NOT NULL DEFAULT 'user_typed', attachments TEXT, sender TEXT NOT NULL DEFAULT '', message_ids TEXT) STRICT, WITHOUT ROWID;
INSERT INTO turns VALUES('turn-1',1,'lane-a',1,'m-1',replace('hello\nthere','\n',char(10)),'completed',1763000102.0,1763000103.0,1763000104.0,'user_typed',NULL,'lane-a/alice',NULL);
INSERT INTO turns VALUES('turn-2',2,'lane-a',1,NULL,'','failed',1763000105.0,1763000106.0,1763000107.0,'user_typed',NULL,'lane-a/alice',NULL);
INSERT INTO turns VALUES('turn-3',3,'lane-b',2,'m-1','what is open','accepted',1763000108.0,NULL,NULL,'user_typed',NULL,'lane-b/böb',NULL);
INSERT INTO turns VALUES('turn-4',4,'lane-a',1,'m-4','look','completed',1763000110.0,1763000111.0,1763000112.0,'stt','[{"kind":"file","path":"/f/x.txt","filename":"x.txt"}]','lane-a/alice',NULL);
INSERT INTO turns VALUES('turn-5',5,'lane-a',1,'m-6','two together','completed',1763000120.0,1763000121.0,1763000122.0,'user_typed',NULL,'lane-a/alice','["m-5","m-6"]');
CREATE TABLE turn_journal (
    turn TEXT NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (turn, position)
) STRICT, WITHOUT ROWID;
INSERT INTO turn_journal VALUES('turn-1',0,'{"call":1}');
INSERT INTO turn_journal VALUES('turn-1',1,'{"result":"ok"}');
CREATE TABLE session_events (
    session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    turn TEXT NOT NULL,
    frame TEXT NOT NULL, created_at REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (session, sequence)
) STRICT, WITHOUT ROWID;
INSERT INTO session_events VALUES(1,1,'turn-1','{"type":"delta","text":"hi"}',1763000102.0);
INSERT INTO session_events VALUES(1,2,'turn-1','{"type":"turn_complete"}',1763000102.0);
INSERT INTO session_events VALUES(3,3001,'turn-5','{"type":"response"}',1763000131.0);
CREATE TABLE session_messages (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    turn TEXT NOT NULL,
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    interrupted INTEGER NOT NULL,
    created_at REAL NOT NULL
) STRICT;
INSERT INTO session_messages VALUES(1,1,'turn-1','user','hello',0,1763000102.0);
INSERT INTO session_messages VALUES(2,1,'turn-1','assistant','hi 👋',1,1763000104.0);
CREATE TABLE turn_messages (
    sender TEXT NOT NULL,
    message_id TEXT NOT NULL,
    turn TEXT NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    at REAL NOT NULL,
    PRIMARY KEY (sender, message_id)
) STRICT, WITHOUT ROWID;
INSERT INTO turn_messages VALUES('lane-a/alice','m-1','turn-1',1763000102.0);
INSERT INTO turn_messages VALUES('lane-a/alice','m-4','turn-4',1763000110.0);
INSERT INTO turn_messages VALUES('lane-a/alice','m-5','turn-5',1763000120.0);
INSERT INTO turn_messages VALUES('lane-a/alice','m-6','turn-5',1763000120.0);
INSERT INTO turn_messages VALUES('lane-b/böb','m-1','turn-3',1763000108.0);
CREATE TABLE session_archives (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    archived_at REAL NOT NULL
) STRICT;
INSERT INTO session_archives VALUES(1,3,1763000140.0);
CREATE TABLE archived_messages (
    id INTEGER PRIMARY KEY,
    archive INTEGER NOT NULL REFERENCES session_archives (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    interrupted INTEGER NOT NULL,
    created_at REAL NOT NULL
) STRICT;
INSERT INTO archived_messages VALUES(1,1,'user','what was cleared',0,1763000139.0);
INSERT INTO archived_messages VALUES(2,1,'assistant','its answer',0,1763000139.5);
CREATE TABLE turn_usage (
    turn TEXT PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    -- The device key in hexadecimal digits.
    device TEXT NOT NULL,
    model TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    -- In US dollars.
    cost REAL NOT NULL,
    at REAL NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO turn_usage VALUES('gone',3,'lane-b','x',0,0,0.0,1763000105.0);
INSERT INTO turn_usage VALUES('turn-1',1,'lane-a','builtin:librarian',120,34,0.0001250000000000000026,1763000104.0);
CREATE TABLE session_summaries (
    session INTEGER PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    -- The last message that it stands for.
    through INTEGER NOT NULL,
    created_at REAL NOT NULL
) STRICT;
INSERT INTO session_summaries VALUES(1,'they greeted each other',2,1763000151.0);
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
INSERT INTO artifacts VALUES('0123456789abcdef0123456789abcdef','alice','main','Plan ☕.md','text/markdown; charset=utf-8',6,'e3b0','upload','upload-id-0000000',1763000160.0);
INSERT INTO artifacts VALUES('ff23456789abcdef0123456789abcdef','alice',NULL,'a.png','image/png',0,'e3b0','reply',NULL,1763000161.0);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('session_archives',1);
CREATE INDEX network_devices_of_user ON network_devices(user_handle);
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit table is append-only'); END;
CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit table is append-only'); END;
CREATE TRIGGER audit_is_never_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the audit table is append-only'); END;
CREATE UNIQUE INDEX network_agents_by_node ON network_agents(node_id);
CREATE INDEX turns_unfinished ON turns (ordinal) WHERE state IN ('accepted', 'running');
CREATE INDEX session_events_by_turn ON session_events (turn, sequence);
CREATE INDEX session_messages_by_session ON session_messages (session, id);
CREATE INDEX turn_messages_by_turn ON turn_messages (turn);
CREATE INDEX session_events_by_time ON session_events (created_at);
CREATE INDEX session_archives_by_session ON session_archives (session, id);
CREATE INDEX archived_messages_by_archive ON archived_messages (archive, id);
CREATE INDEX turn_usage_by_time ON turn_usage (at);
CREATE INDEX artifacts_by_owner ON artifacts (owner, created_at);
CREATE UNIQUE INDEX artifacts_by_upload ON artifacts (owner, upload_id)
    WHERE upload_id IS NOT NULL;
COMMIT;
