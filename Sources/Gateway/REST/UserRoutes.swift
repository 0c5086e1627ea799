internal import Certs
internal import Hummingbird
internal import Store
internal import Wire

// Who are the users of the network, and what becomes of them? For admins. The rules (one active admin always stays) are the
// coordinator's.

enum UserRoutes {
    static func routes(_ administration: NetworkAdministration) -> [Route] {
        [
            .admin(.get, "/api/network/users", .users) { _, _, _ in
                let users = try await administration.coordinator.users()
                return try JSON.response(UsersBody(users: users.map(UserBody.init)))
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
                var updated = false
                if let role { updated = try await coordinator.setRole(role, of: handle, by: caller.principal) }
                if let status {
                    updated = try await coordinator.setStatus(status, of: handle, by: caller.principal) || updated
                }
                guard let user = try await coordinator.users().first(where: { $0.handle == handle }) else {
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
