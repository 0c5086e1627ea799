internal import Certs
internal import Hummingbird
internal import Store
internal import Transport
internal import Wire

// Which devices may come in, and which no longer? For admins; the routes of a user's own devices use the same acts with
// fewer rights.

enum DeviceRoutes {
    static func routes(_ administration: NetworkAdministration, _ live: LiveConnections) -> [Route] {
        [
            .admin(.get, "/api/network/devices", .devices) { request, _, _ in
                try await list(request, of: try request.queryValue("user"), in: try administration.coordinator, live)
            },
            .admin(.get, "/api/network/devices/{key}", .device) { _, context, _ in
                let device = try await find(try context.deviceKey(), in: try administration.coordinator)
                return try JSON.response(DeviceBody(device, connections: live.counts()))
            },
            .admin(
                .patch, "/api/network/devices/{key}", .renameDevice(isOwn: false),
                announces: .updated(.device, "key", to: .admins)
            ) {
                request, context, caller in
                try await rename(request, context, by: caller.principal, in: try administration.coordinator, live)
            },
            .admin(
                .delete, "/api/network/devices/{key}", .revokeDevice(isOwn: false),
                announces: .deleted(.device, "key", to: .admins)
            ) {
                _, context, caller in
                try await revoke(context, by: caller.principal, in: try administration.coordinator, live)
            },
        ]
    }

    /// Gives the device of the path the label of the body.
    static func rename(
        _ request: Request, _ context: GatewayContext, by principal: Principal, in coordinator: Coordinator,
        _ live: LiveConnections
    ) async throws -> Response {
        let key = try context.deviceKey()
        let label = try await request.decode(as: LabelPatch.self, context: context).label
        try await coordinator.renameDevice(key, to: label, by: principal)
        return try JSON.response(DeviceBody(try await find(key, in: coordinator), connections: live.counts()))
    }

    /// Puts the device of the path out.
    static func revoke(
        _ context: GatewayContext, by principal: Principal, in coordinator: Coordinator, _ live: LiveConnections
    ) async throws -> Response {
        let key = try context.deviceKey()
        let handle = coordinator.roster.handle(of: key)
        // Counted before: by the time of the answer they may be gone.
        let connections = live.count(of: key)
        let result = try await coordinator.revokeDevice(key, by: principal)
        guard result != .unknown, let handle else { throw AdministrationError.unknownDevice }
        return try JSON.response(
            RevocationBody(
                device: key.hex, handle: handle, revoked: result == .revoked,
                connectionsClosed: result == .revoked ? connections : 0))
    }

    /// A page of devices: of a user, or of everybody.
    static func list(
        _ request: Request, of user: String?, in coordinator: Coordinator, _ live: LiveConnections
    ) async throws -> Response {
        let handle = user.map(HandleRule.typed)
        let asked = try request.page(by: ListPlace.self)
        let rows = try await coordinator.devices(of: handle, after: asked.after, limit: asked.limit + 1)
        if rows.isEmpty, let handle, try await coordinator.user(handle) == nil {
            throw AdministrationError.unknownUser(handle)
        }
        let (page, next) = try asked.page(of: rows) { ListPlace(at: $0.addedAt, key: Base16.encode($0.key)) }
        let connections = live.counts()
        return try JSON.response(
            DevicesBody(devices: page.map { DeviceBody($0, connections: connections) }, nextCursor: next))
    }

    private static func find(_ key: NodeID, in coordinator: Coordinator) async throws -> DeviceRecord {
        guard let handle = coordinator.roster.handle(of: key),
            let device = try await coordinator.devices(of: handle).first(where: { $0.key == key.bytes })
        else { throw AdministrationError.unknownDevice }
        return device
    }
}

extension DeviceBody {
    /// - Parameter connections: how many each key has.
    init(_ device: DeviceRecord, connections: [NodeID: Int]) {
        let key = try? NodeID(bytes: device.key)
        self.init(
            device: Base16.encode(device.key), handle: device.handle, label: device.label,
            status: device.status.rawValue, addedAt: device.addedAt, lastSeen: device.lastSeen,
            connections: key.flatMap { connections[$0] } ?? 0)
    }
}
