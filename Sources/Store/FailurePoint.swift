#if DEBUG
internal import Foundation
internal import Synchronization
#endif

// How does a test know that nothing is lost wherever a process dies? By killing it there. In a debug build the environment
// names one point, and which visit of it, at which the process kills itself without another word; a release has none.

/// Where a process may be made to die.
enum FailurePoint {
    #if DEBUG
    /// `after:finishTurn` or, for the third visit, `after:finishTurn:3`.
    static let variable = "OPENAGENT_FAILURE_POINT"

    private static let chosen: (point: String, visit: Int)? = {
        guard let text = ProcessInfo.processInfo.environment[variable] else { return nil }
        let parts = text.split(separator: ":")
        guard parts.count >= 2 else { return nil }
        return ("\(parts[0]):\(parts[1])", parts.count > 2 ? Int(parts[2]) ?? 1 : 1)
    }()
    private static let visits = Mutex(0)

    private static func reach(_ point: String) {
        guard let chosen, chosen.point == point else { return }
        let visit = visits.withLock { visits in
            visits += 1
            return visits
        }
        if visit == chosen.visit { kill(getpid(), SIGKILL) }
    }
    #endif

    @inline(__always)
    static func reach(before commit: SessionCommit) {
        #if DEBUG
        reach("before:\(commit.rawValue)")
        #endif
    }

    /// A file is complete beside the one whose place it will take: `rename:openagent.yaml`.
    @inline(__always)
    static func reach(beforeRenameTo path: String) {
        #if DEBUG
        reach("rename:\(path.split(separator: "/").last ?? "")")
        #endif
    }

    /// A step of an upgrade is done and not committed: `commit:migration`.
    @inline(__always)
    static func reachMigrationCommit() {
        #if DEBUG
        reach("commit:migration")
        #endif
    }

    @inline(__always)
    static func reach(after commit: SessionCommit) {
        #if DEBUG
        reach("after:\(commit.rawValue)")
        #endif
    }
}
