internal import Certs
internal import Hummingbird
internal import Store
internal import Wire

// Who are the users of the network, and what becomes of them? For admins. The rules (one active admin always stays) are the
// coordinator's.

enum UserRoutes {
    static func routes(_ administration: NetworkAdministration) -> [Route] {
        [
            .admin(.get, "/api/network/users", .users) { request, _, _ in
                let coordinator = try administration.coordinator
                let asked = try request.page(by: ListPlace.self)
                let rows = try await coordinator.users(after: asked.after, limit: asked.limit + 1)
                let (page, next) = try asked.page(of: rows, key: \.place)
                return try JSON.response(UsersBody(users: page.map(UserBody.init), nextCursor: next))
            },
            .admin(
                .patch, "/api/network/users/{handle}", .changeUser, announces: .updated(.user, "handle", to: .admins)
            ) {
                request, context, caller in
                let coordinator = try administration.coordinator
                let handle = HandleRule.typed(try context.pathPart("handle"))
                let patch = try await request.decode(as: UserPatch.self, context: context)
                // Both words are understood before either changes anything.
                let (role, status) = try patch.meaning
                let updated = try await coordinator.change(
                    handle, role: role, status: status, by: caller.principal)
                guard let user = try await coordinator.user(handle) else {
                    throw AdministrationError.unknownUser(handle)
                }
                return try JSON.response(
                    UserChange(
                        handle: handle, role: user.role.rawValue, status: user.status.rawValue, updated: updated))
            },
            .admin(
                .delete, "/api/network/users/{handle}", .removeUser, announces: .deleted(.user, "handle", to: .admins)
            ) {
                _, context, caller in
                let handle = HandleRule.typed(try context.pathPart("handle"))
                try await administration.coordinator.removeUser(handle, by: caller.principal)
                return try JSON.response(Removal(handle: handle, deleted: true))
            },
        ]
    }
}

extension UserPatch {
    fileprivate var meaning: (role: UserRole?, status: UserStatus?) {
        get throws(ErrorResponse) {
            let role = self.role.flatMap(UserRole.init)
            guard role != nil || self.role == nil else { throw .invalid("A role is 'member' or 'admin'.") }
            let status = self.status.flatMap(UserStatus.init)
            guard status != nil || self.status == nil else { throw .invalid("A status is 'active' or 'suspended'.") }
            guard role != nil || status != nil else {
                throw .invalid("There is neither 'role' nor 'status' to change.")
            }
            return (role, status)
        }
    }
}

extension UserBody {
    fileprivate init(_ user: NetworkUser) {
        self.init(
            handle: user.handle, role: user.role.rawValue, status: user.status.rawValue, createdAt: user.createdAt,
            lastSeen: user.lastSeen, activeDevices: user.activeDevices, devices: user.devices)
    }
}
