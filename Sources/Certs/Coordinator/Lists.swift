public import Store

// How are the long lists of a network read? Page by page, each behind the last row of the one before. Whole lists are in the
// files of users, devices, agents and invitations, for those who need all.

extension Coordinator {
    /// At most `limit` users behind `place`, oldest first.
    public func users(after place: ListPlace?, limit: Int) async throws -> [NetworkUser] {
        try await repository.read { try $0.users(after: place, limit: limit).map(NetworkUser.init) }
    }

    /// A user; nil when there is none of this name.
    public func user(_ handle: String) async throws -> NetworkUser? {
        try await repository.read { try $0.listedUser(handle).map(NetworkUser.init) }
    }

    /// At most `limit` devices behind `place`, oldest first; of one user when `handle` is given.
    public func devices(of handle: String?, after place: ListPlace?, limit: Int) async throws -> [DeviceRecord] {
        try await repository.read { try $0.devices(of: handle, after: place, limit: limit) }
    }

    /// At most `limit` agents behind `place`, oldest first, the coordinator's own included.
    public func agents(after place: ListPlace?, limit: Int) async throws -> [AgentRecord] {
        try await repository.read { try $0.agents(after: place, limit: limit) }
    }

    /// At most `limit` invitations behind `place`, newest first, each with its place.
    public func invitations(
        after place: ListPlace?, limit: Int
    ) async throws -> [(place: ListPlace, summary: InvitationSummary)] {
        let now = now()
        return try await repository.read { reader in
            try reader.invitations(after: place, limit: limit).map { row, invitation in
                (ListPlace(at: invitation.createdAt, key: "\(row)"), InvitationSummary(invitation, now: now))
            }
        }
    }
}

extension NetworkUser {
    fileprivate init(_ record: UserListRecord) {
        self.init(
            handle: record.user.handle, role: record.user.role, status: record.user.status,
            createdAt: record.user.createdAt, activeDevices: record.activeDevices, devices: record.devices,
            lastSeen: record.lastSeen)
    }

    /// Where the user stands in the list.
    public var place: ListPlace { ListPlace(at: createdAt, key: handle) }
}
