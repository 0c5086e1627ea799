internal import Foundation
internal import GRDB

// Which rows of a network does a page of a list show? Each list has a fixed order, and a page begins behind the row that was
// shown last: nothing is read that isn't shown, however long the list is.

extension DatabaseMigrator {
    /// The orders of lists.
    mutating func registerNetworkLists() {
        registerMigration("2026-11-21 network lists") { connection in
            try connection.execute(
                sql: """
                    CREATE INDEX network_users_by_time ON network_users (created_at, handle);
                    CREATE INDEX network_devices_by_time ON network_devices (added_at, device_pubkey);
                    CREATE INDEX network_agents_by_time ON network_agents (added_at, handle);
                    CREATE INDEX network_invitations_by_time ON network_invitations (created_at);
                    """)
        }
    }
}

/// Where a row stands in a list that is ordered by time.
public struct ListPlace: Codable, Sendable, Equatable {
    /// Unix seconds.
    public let at: Double
    /// What tells rows of the same time apart.
    public let key: String

    public init(at: Double, key: String) {
        self.at = at
        self.key = key
    }

    /// Before every row of a list that begins with the oldest.
    fileprivate static let beginning = ListPlace(at: -.greatestFiniteMagnitude, key: "")
}

/// A user and what their devices are like together.
public struct UserListRecord: Sendable, Equatable {
    public let user: UserRecord
    public let activeDevices: Int
    public let devices: Int
    /// Unix seconds of the last login from any device.
    public let lastSeen: Double?
}

extension NetworkReader {
    /// At most `limit` users behind `place`, oldest first.
    public func users(after place: ListPlace?, limit: Int) throws -> [UserListRecord] {
        let place = place ?? .beginning
        return try Row.fetchAll(
            database,
            sql: """
                SELECT network_users.*,
                    (SELECT count(*) FROM network_devices WHERE user_handle = handle) AS devices,
                    (SELECT count(*) FROM network_devices WHERE user_handle = handle AND status = 'active') AS active,
                    (SELECT max(last_seen) FROM network_devices WHERE user_handle = handle) AS seen
                FROM network_users WHERE (created_at, handle) > (?, ?) ORDER BY created_at, handle LIMIT ?
                """, arguments: [place.at, place.key, limit]
        ).map { row in
            UserListRecord(
                user: try UserRecord(row), activeDevices: row["active"], devices: row["devices"], lastSeen: row["seen"])
        }
    }

    /// One user as lists show them.
    public func listedUser(_ handle: String) throws -> UserListRecord? {
        guard let user = try user(handle) else { return nil }
        let devices = try devices(of: handle)
        return UserListRecord(
            user: user, activeDevices: devices.count { $0.status == .active }, devices: devices.count,
            lastSeen: devices.compactMap(\.lastSeen).max())
    }

    /// At most `limit` devices behind `place`, oldest first. The key of a place is the device's, in hexadecimal digits.
    ///
    /// - Parameter handle: only this user's.
    public func devices(of handle: String?, after place: ListPlace?, limit: Int) throws -> [DeviceRecord] {
        let place = place ?? .beginning
        return try Row.fetchAll(
            database,
            sql: """
                SELECT * FROM network_devices
                WHERE (added_at, device_pubkey) > (?, ?) \(handle == nil ? "" : "AND user_handle = ?")
                ORDER BY added_at, device_pubkey LIMIT ?
                """,
            arguments: StatementArguments(
                [place.at, Data(place.keyBytes)] + (handle.map { [$0] } ?? []) + [limit]
                    as [any DatabaseValueConvertible]
            )
        ).map(DeviceRecord.init)
    }

    /// At most `limit` agents behind `place`, oldest first.
    public func agents(after place: ListPlace?, limit: Int) throws -> [AgentRecord] {
        let place = place ?? .beginning
        return try Row.fetchAll(
            database,
            sql: """
                SELECT * FROM network_agents WHERE (added_at, handle) > (?, ?) ORDER BY added_at, handle LIMIT ?
                """, arguments: [place.at, place.key, limit]
        ).map(AgentRecord.init)
    }

    /// At most `limit` invitations, newest first, each with its row's number.
    ///
    /// - Parameter place: only those behind it; its key is a row's number.
    public func invitations(
        after place: ListPlace?, limit: Int
    ) throws -> [(row: Int64, invitation: InvitationRecord)] {
        let at = place?.at ?? .greatestFiniteMagnitude
        let row = place.flatMap { Int64($0.key) } ?? .max
        return try Row.fetchAll(
            database,
            sql: """
                SELECT rowid AS row_number, * FROM network_invitations WHERE (created_at, rowid) < (?, ?)
                ORDER BY created_at DESC, rowid DESC LIMIT ?
                """, arguments: [at, row, limit]
        ).map { ($0["row_number"], try InvitationRecord($0)) }
    }
}

extension ListPlace {
    /// The bytes that the key's hexadecimal digits say; none when they are no such digits.
    fileprivate var keyBytes: [UInt8] {
        let digits = Array(key.utf8)
        guard digits.count.isMultiple(of: 2), digits.count <= 64 else { return [] }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let byte = UInt8(String(decoding: digits[index...(index + 1)], as: UTF8.self), radix: 16) else {
                return []
            }
            bytes.append(byte)
        }
        return bytes
    }
}
