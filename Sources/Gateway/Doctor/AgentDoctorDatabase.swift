internal import Foundation
internal import Glibc
internal import Store
internal import Transport

// What do the key, the database and the clock say about each other? The key signs what the network trusts, so it must be the
// one that the database knows; and no row can be of a time that has not come yet.

extension AgentDoctor {
    /// Seconds by which a device's certificate may begin in the future, and by which the clock may go back unnoticed.
    private static let clockTolerance: Double = 300
    /// 2025-01-01: no clock that is right shows less.
    private static let earliest: Double = 1_735_689_600
    private static let longAbsence: Double = 5 * 365 * 24 * 3600

    func examineDatabase(_ state: InstanceState) -> [AgentFinding] {
        let (key, keyFinding) = loadKey()
        guard access(directory.database, F_OK) == 0 else {
            return [keyFinding, .ok("database", "there is no database yet; a start makes it")]
        }
        let database: DatabaseExamination
        do {
            database = try DatabaseExamination(path: directory.database)
        } catch {
            let fault = StorageFault(error)
            return [
                keyFinding,
                .problem(
                    "database", "\(directory.database) can't be read: \(fault)",
                    fix: fault == .damaged
                        ? restore : "see that the disk and the file's permissions are as they should be"),
            ]
        }
        return [
            keyFinding.state == .ok ? identity(key, in: database) ?? keyFinding : keyFinding, soundness(of: database),
            clock(database), turns(database, state), network(database), files(database),
        ]
    }

    private var restore: String {
        "stop the agent; keep the file; bring back a backup, or save what can be read with: "
            + "sqlite3 \(directory.database) .recover | sqlite3 \(directory.path)/recovered.db"
    }

    private func loadKey() -> (SecretKey?, AgentFinding) {
        do throws(SecretKeyError) {
            let key = try SecretKey.load(path: directory.identityKey)
            return (key, .ok("identity", "the key is there and private, node \(key.nodeID)"))
        } catch {
            switch error {
            case .notFound where access(directory.database, F_OK) != 0:
                return (nil, .ok("identity", "there is no key yet; a start makes it"))
            case .readableByOthers:
                return (nil, .problem("identity", "\(error)", fix: "chmod 600 \(directory.identityKey)"))
            default:
                return (nil, .problem("identity", "\(error)", fix: "bring \(directory.identityKey) back from a backup"))
            }
        }
    }

    /// What is wrong between key and database; nil when nothing is.
    private func identity(_ key: SecretKey?, in database: DatabaseExamination) -> AgentFinding? {
        guard let key, let network = database.network else { return nil }
        let isKnown =
            network.role == "coordinator" ? network.coordinator == key.nodeID.bytes : true
        guard !isKnown else { return nil }
        return .problem(
            "identity",
            "\(directory.identityKey) is another agent's key: the network in the database was made with another one",
            fix: "bring this agent's own identity.key back from a backup; its network trusts no other")
    }

    private func soundness(of database: DatabaseExamination) -> AgentFinding {
        if let first = database.integrityProblems.first {
            let count = database.integrityProblems.count
            return .problem(
                "database", "the database is damaged in \(count) place\(count == 1 ? "" : "s"), first: \(first)",
                fix: restore)
        }
        if database.isNewer {
            return .problem(
                "database", "a newer version of openagent has written the database",
                fix: "install that version, or restore a backup")
        }
        if database.danglingRows > 0 {
            return .problem("database", "\(database.danglingRows) rows point to rows that are not there", fix: restore)
        }
        return .ok(
            "database", "the database is sound" + (database.isOlder ? "; the next start brings it up to date" : ""))
    }

    private func clock(_ database: DatabaseExamination) -> AgentFinding {
        let set = "timedatectl set-ntp true"
        if now() < Self.earliest { return .problem("clock", "the clock is years slow", fix: set) }
        guard let newest = database.newestTime else { return .ok("clock", "the clock shows a time that can be") }
        if newest > now() + Self.clockTolerance {
            let minutes = Int((newest - now()) / 60)
            return .problem(
                "clock",
                "the clock is \(minutes) min behind what the database has seen: it went back, or was fast before; certificates "
                    + "that begin more than 5 min in its future are refused until then", fix: set)
        }
        if now() > newest + Self.longAbsence {
            return .warning("clock", "the clock is years ahead of what the database has seen", fix: set)
        }
        return .ok("clock", "the clock agrees with the database")
    }

    private func turns(_ database: DatabaseExamination, _ state: InstanceState) -> AgentFinding {
        let count = database.unfinishedTurns
        guard count > 0, let oldest = database.oldestUnfinished else {
            return .ok("turns", "every turn has its answer")
        }
        let since = Date(timeIntervalSince1970: oldest).formatted(.iso8601)
        let text = "\(count) turn\(count == 1 ? " has" : "s have") no saved answer yet, the oldest since \(since)"
        if case .stopped = state {
            return .warning("turns", text + "; they run at the next start", fix: "openagent serve \(directory)")
        }
        return now() - oldest > 3600 ? .warning("turns", text) : .ok("turns", text)
    }

    private func files(_ database: DatabaseExamination) -> AgentFinding {
        let missing = database.files.filter { access("\(directory.files)/\($0.id)/\($0.filename)", R_OK) != 0 }
        guard let first = missing.first else { return .ok("files", "all \(database.files.count) files are there") }
        return .problem(
            "files",
            "\(missing.count) of \(database.files.count) files are missing or can't be read, first: \(first.id)",
            fix: "bring them back from a backup, or forget each as its owner: openagent files rm ID")
    }

    private func network(_ database: DatabaseExamination) -> AgentFinding {
        guard let network = database.network else { return .ok("network", "a start makes the network") }
        return network.role == "member"
            ? .ok("network", "a member of \(network.name), which another agent coordinates")
            : .ok("network", "coordinates \(network.name)")
    }
}
