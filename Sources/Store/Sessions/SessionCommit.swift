// Which transactions write a conversation? Their names, so that a test can stop the process before and after each of them.

/// A transaction of the turn path.
public enum SessionCommit: String, CaseIterable, Sendable {
    case openSession, reserveSequences, acceptTurn, startTurn, appendEvent, appendJournal, finishTurn, forgetHistory
    case mergeMessage, supersedeTurn, forgetOld
    case pinModel, foldHistory
    case keepArtifact
}
