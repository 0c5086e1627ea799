import Foundation
import Testing

@testable import Store

@Suite struct NetworkTests {
    let path = FileManager.default.temporaryDirectory.appending(path: "openagent-\(UUID().uuidString).db").path
    static let key = [UInt8](repeating: 7, count: 32)

    struct Refused: Error {}

    func withRepository(_ body: (NetworkRepository) throws -> Void) throws {
        let database = try Database(path: path)
        defer {
            try? database.close()
            for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
        }
        try body(NetworkRepository(database))
    }

    static func addAlice(_ transaction: NetworkTransaction) throws {
        try transaction.insertUser(UserRecord(handle: "alice", pakeRecord: [1], role: .admin, createdAt: 1))
        try transaction.insertDevice(DeviceRecord(key: key, handle: "alice", label: "laptop", addedAt: 2))
    }

    @Test func databaseFilesAreOfTheirOwnerOnly() throws {
        try withRepository { repository throws in
            try repository.write { try Self.addAlice($0) }
            for suffix in ["", "-wal", "-shm"] {
                let attributes = try FileManager.default.attributesOfItem(atPath: path + suffix)
                #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600, "\(suffix)")
            }
        }
    }

    @Test func rowsComeBackAsTheyWereStored() throws {
        try withRepository { repository throws in
            let network = NetworkRecord(
                role: .coordinator, networkID: "6f1d", name: "home", coordinatorKey: Self.key, createdAt: 1.5)
            let agent = AgentRecord(
                handle: "home", nodeID: "ab", label: "home (this agent)", ownerHandle: "system", addedAt: 3)
            let invitation = InvitationRecord(
                code: "abcd", role: .device, createdBy: "cli", bindTo: "alice", usesLeft: 2, expiresAt: 10, createdAt: 1
            )
            try repository.write { transaction in
                try Self.addAlice(transaction)
                try transaction.setNetwork(network, coordinatorNodeID: "07")
                try transaction.upsertAgent(agent)
                try transaction.insertInvitation(invitation)
            }
            try repository.read { rows throws in
                #expect(try rows.network() == network)
                #expect(try rows.agents() == [agent])
                #expect(try rows.invitation("abcd") == invitation)
                #expect(try rows.user("alice")?.role == .admin)
                #expect(try rows.user("bob") == nil)
                #expect(try rows.device(Self.key)?.label == "laptop")
                #expect(try rows.hasDevices("alice"))
                #expect(try !rows.hasDevices("bob"))
            }
        }
    }

    @Test func whatAFailedTransactionDidIsUndone() throws {
        try withRepository { repository throws in
            #expect(throws: Refused.self) {
                try repository.write { transaction in
                    try Self.addAlice(transaction)
                    throw Refused()
                }
            }
            #expect(try repository.read { try $0.users() }.isEmpty)
        }
    }

    @Test func invitationsAreSpentAtMostAsOftenAsTheyMay() throws {
        try withRepository { repository throws in
            let invitation = InvitationRecord(
                code: "abcd", role: .user, createdBy: nil, bindTo: nil, usesLeft: 2, expiresAt: 100, createdAt: 1)
            try repository.write { transaction throws in
                try transaction.insertInvitation(invitation)
                #expect(try !transaction.spendInvitation("abcd", now: 100.5))
                #expect(try transaction.spendInvitation("abcd", now: 50))
                #expect(try transaction.spendInvitation("abcd", now: 100))
                #expect(try !transaction.spendInvitation("abcd", now: 60))
                #expect(try !transaction.spendInvitation("none", now: 60))
                #expect(try transaction.rows.invitation("abcd")?.usedAt == 50)
            }
        }
    }

    @Test func impossibleRowsAreRefusedBySQLite() throws {
        try withRepository { repository throws in
            let refused: [(String, @Sendable (NetworkTransaction) throws -> Void)] = [
                ("device without user", { try $0.insertDevice(DeviceRecord(key: Self.key, handle: "x", addedAt: 1)) }),
                (
                    "device key of 31 bytes",
                    {
                        try Self.addAlice($0)
                        try $0.insertDevice(DeviceRecord(key: Array(Self.key.dropLast()), handle: "alice", addedAt: 1))
                    }
                ),
                (
                    "a handle twice",
                    {
                        try Self.addAlice($0); try Self.addAlice($0)
                    }
                ),
                (
                    "negative uses",
                    {
                        try $0.insertInvitation(
                            InvitationRecord(
                                code: "a", role: .user, createdBy: nil, bindTo: nil, usesLeft: -1, expiresAt: 1,
                                createdAt: 1))
                    }
                ),
            ]
            for (name, body) in refused {
                #expect(throws: (any Error).self, "\(name)") { try repository.write(body) }
            }
            for sql in [
                "UPDATE network_users SET status = 'gone'", "UPDATE network_users SET role = 'root'",
                "UPDATE network_devices SET status = 'lost'",
            ] {
                try repository.write { _ in }
                let database = try Database(path: path)
                #expect(throws: (any Error).self, "\(sql)") {
                    try database.pool.write { connection in
                        try Self.addAlice(NetworkTransaction(connection))
                        try connection.execute(sql: sql)
                    }
                }
                try database.close()
            }
        }
    }

    @Test func auditRowsCanBeNeitherChangedNorRemoved() throws {
        try withRepository { repository throws in
            let record = AuditRecord(
                at: 5, actor: "alice", actorDevice: Self.key, action: "user.login", subject: "alice")
            try repository.write { try $0.audit(record) }
            let database = try Database(path: path)
            for sql in [
                "UPDATE audit SET actor = 'mallory'", "DELETE FROM audit", "REPLACE INTO audit SELECT * FROM audit",
            ] {
                #expect(throws: (any Error).self, "\(sql)") {
                    try database.pool.write { try $0.execute(sql: sql) }
                }
            }
            try database.close()
            #expect(try repository.read { try $0.audit(limit: 10) } == [record])
        }
    }

    @Test func memoryFollowsCommitsInTheirOrderAndRollbacksNever() throws {
        final class Log: @unchecked Sendable {
            // Touched only on GRDB's writer queue and, after the writes, by the test.
            var entries: [Int] = []
        }
        let log = Log()
        try withRepository { repository throws in
            for number in 0..<20 {
                try repository.write { transaction in
                    try transaction.audit(AuditRecord(at: 1, actor: "a", action: "b", subject: "\(number)"))
                    transaction.afterCommit { log.entries.append(number) }
                }
                #expect(log.entries == Array(0...number))
            }
            try? repository.write { transaction in
                transaction.afterCommit { log.entries.append(99) }
                throw Refused()
            }
            #expect(!log.entries.contains(99))
        }
    }
}
