#if DEBUG
internal import GRDB

// Where does an upgrade die when a test wants it to? Just before a step is committed: everything of it is written, and nothing
// of it may be there afterwards. A release has no witness.

/// Comes by the failure point of each commit.
final class MigrationWitness: TransactionObserver {
    func observes(eventsOfKind eventKind: DatabaseEventKind) -> Bool { false }
    func databaseDidChange(with event: DatabaseEvent) {}
    func databaseWillCommit() { FailurePoint.reachMigrationCommit() }
    func databaseDidCommit(_ connection: GRDB.Database) {}
    func databaseDidRollback(_ connection: GRDB.Database) {}
}
#endif
