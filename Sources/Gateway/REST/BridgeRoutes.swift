internal import Agent
internal import HTTPTypes
internal import Hummingbird
internal import Store
internal import Transport
internal import Wire

// How are the bridges, and who may talk through them? Bridges tell how they are and ask about senders whom their settings don't name;
// admins look, let in and take off.

enum BridgeRoutes {
    private static let senders = "/api/bridges/{platform}/senders"
    private static let pairings = "/api/bridges/{platform}/pairings"

    static func routes(_ room: BridgeRoom, _ live: LiveConnections, now: @escaping @Sendable () -> Double) -> [Route] {
        [
            .admin(.get, "/api/bridges", .bridges) { request, _, _ in
                let asked = try request.page(by: String.self)
                let (page, next) = try asked.page(ofAll: room.board.all, key: \.key) { $0.key > $1 }
                return try JSON.response(
                    BridgesBody(bridges: page.map { BridgeBody($0, live) }, nextCursor: next))
            },
            .member(
                .put, "/api/bridges/{platform}/status", .setBridgeStatus,
                announces: .updated(.bridge, "platform", to: .admins)
            ) { request, context, caller in
                let place = try place(context, caller, room)
                let status = try await request.decode(as: BridgeStatus.self, context: context)
                guard BridgeStatus.State(rawValue: status.state) != nil else {
                    let states = BridgeStatus.State.allCases.map(\.rawValue).joined(separator: ", ")
                    throw ErrorResponse.invalid("'state' is one of \(states).")
                }
                if place.isOwn {
                    room.set(status, of: place.platform)
                } else {
                    room.board.set(status, of: place.platform, device: caller.device, handle: caller.handle)
                }
                return try JSON.response(BridgeStatusTaken(ok: true))
            }.bridges(.only),
            .member(.get, senders + "/{id}", .senderStanding) { _, context, caller in
                let place = try place(context, caller, room)
                let sender = try context.pathPart("id")
                return try JSON.response(
                    SenderStanding(
                        approved: try await desk(room).repository.isApproved(sender, at: place.pairing)))
            }.bridges(.only),
            .member(
                .post, pairings, .openPairing, announces: .updated(.bridge, "platform", to: .admins)
            ) { request, context, caller in
                let place = try place(context, caller, room)
                let wanted = try await request.decode(as: NewPairing.self, context: context)
                guard (1...PairingDesk.longestSender).contains(wanted.sender.utf8.count),
                    !wanted.sender.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
                else { throw ErrorResponse.invalid("'sender' is the platform's id of somebody.") }
                let code = try await desk(room).code(for: wanted.sender, called: wanted.name, at: place.pairing)
                guard let code else {
                    throw ErrorResponse(
                        .rateLimited, "\(PairingDesk.mostOpen) people wait for an admin's word already.",
                        hint: "An admin lets somebody in with: openagent bridge approve CODE")
                }
                return try JSON.response(PairingCode(code: code.code, expiresAt: code.expiresAt))
            }.bridges(.only),
            .admin(.get, senders, .senders) { request, context, _ in
                let platform = try platform(context)
                let asked = try request.page(by: [String].self)
                let rows = try await desk(room).repository.senders(
                    platform: platform.rawValue, after: asked.after ?? [], limit: asked.limit + 1)
                let (page, next) = try asked.page(of: rows) { [$0.sender, $0.place.device ?? ""] }
                return try JSON.response(SendersBody(senders: page.map(SenderBody.init), nextCursor: next))
            },
            .admin(.get, pairings, .pairings) { request, context, _ in
                let platform = try platform(context)
                let asked = try request.page(by: [String].self)
                let rows = try await desk(room).repository.pairings(
                    platform: platform.rawValue, at: now(), after: asked.after ?? [], limit: asked.limit + 1)
                let (page, next) = try asked.page(of: rows) { [$0.sender, $0.place.device ?? ""] }
                return try JSON.response(PairingsBody(pairings: page.map(PairingBody.init), nextCursor: next))
            },
            .admin(
                .post, "/api/bridges/pairings/{code}/approve", .approvePairing,
                announces: .updated(.bridge, to: .admins)
            ) { _, context, caller in
                let code = try context.pathPart("code")
                switch try await desk(room).approve(code, by: caller.actor) {
                case .approved(let sender):
                    context.announced.set(id: sender.place.platform)
                    return try JSON.response(PairingApproved(ok: true, sender: SenderBody(sender)))
                case .unknown:
                    throw ErrorResponse(
                        .notFound, "No code that counts is this one.",
                        hint: "A code counts for an hour, once: whoever wants to talk writes to the bot again.")
                case .throttled(let seconds):
                    var refusal = ErrorResponse(
                        .rateLimited, "Too many codes were wrong.", hint: "Try again in \(seconds) s.")
                    refusal.headers[.retryAfter] = "\(seconds)"
                    throw refusal
                }
            },
            .admin(
                .delete, senders + "/{id}", .removeSender, announces: .updated(.bridge, "platform", to: .admins)
            ) { _, context, caller in
                let platform = try platform(context)
                let sender = try context.pathPart("id")
                let actor = caller.actor
                let count = try await desk(room).repository.remove(
                    sender, platform: platform.rawValue, at: now(), by: actor.name, device: actor.device)
                guard count > 0 else {
                    throw ErrorResponse(
                        .notFound, "Nobody with this id was let in by a code.",
                        hint: "Whom the settings of the bridge name is taken off there.")
                }
                return try JSON.response(SenderRemoved(ok: true, removed: count))
            },
        ]
    }

    // MARK: Parts

    /// Which bridge asks.
    private struct Place {
        var platform: Platform
        var isOwn: Bool
        var pairing: PairingPlace
    }

    private static func platform(_ context: GatewayContext) throws(ErrorResponse) -> Platform {
        guard let platform = Platform(rawValue: try context.pathPart("platform")) else { throw .notFound }
        return platform
    }

    private static func place(
        _ context: GatewayContext, _ caller: Caller, _ room: BridgeRoom
    ) throws(ErrorResponse) -> Place {
        let platform = try platform(context)
        let own = room.own.platform(of: caller.device)
        guard own == nil || own == platform else {
            throw ErrorResponse(
                .forbidden, "This is the bridge of another platform.", hint: "A bridge asks about its own senders.")
        }
        return Place(
            platform: platform, isOwn: own != nil,
            pairing: PairingPlace(platform: platform.rawValue, device: own == nil ? caller.device.hex : nil))
    }

    private static func desk(_ room: BridgeRoom) throws(ErrorResponse) -> PairingDesk {
        guard let desk = room.desk else {
            throw ErrorResponse(
                status: .serviceUnavailable, code: .unavailable, message: "This agent lets nobody in by a code.")
        }
        return desk
    }
}

extension BridgeBody {
    fileprivate init(_ entry: BridgeBoard.Entry, _ live: LiveConnections) {
        let isGone = entry.device.map { live.count(of: $0) == 0 } ?? false
        self.init(
            platform: entry.platform.rawValue, device: entry.device?.hex, handle: entry.handle,
            state: isGone ? "gone" : entry.status.state, account: entry.status.account, since: entry.status.since,
            waiting: entry.status.waiting ?? 0, parked: entry.status.parked ?? [], problem: entry.status.problem)
    }
}

extension SenderBody {
    fileprivate init(_ row: SenderRecord) {
        self.init(
            platform: row.place.platform, sender: row.sender, name: row.name, device: row.place.device,
            approvedBy: row.approvedBy, approvedAt: row.approvedAt)
    }
}

extension PairingBody {
    fileprivate init(_ row: PairingRecord) {
        self.init(
            platform: row.place.platform, sender: row.sender, name: row.name, device: row.place.device,
            createdAt: row.createdAt, expiresAt: row.expiresAt)
    }
}
