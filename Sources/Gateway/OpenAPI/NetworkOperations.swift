internal import Wire

// What do the routes of a network say about themselves: who am I, who is in it, who may come in, who did what?

extension Operation {
    /// An agent that is a member of its network has no coordinator to ask.
    private static let memberAgent = 404

    // MARK: Oneself

    static let whoAmI = Operation("As whom the agent knows the caller", answer: WhoAmI.self)
    static let ownDevices = Operation(
        "The caller's devices, oldest first", [.limit(), .cursor], answer: DevicesBody.self, errors: [memberAgent])
    static let inviteOwnDevice = Operation(
        "Invite another device of the caller", body: .json(NewInvitation.self), answer: CreatedInvitation.self,
        status: 201, errors: [403, memberAgent])

    // MARK: Network and agents

    static let network = Operation("The network that the agent is in", answer: NetworkBody.self)
    static let networkAgents = Operation(
        "The agents of the network, oldest first", [.limit(), .cursor], answer: AgentsBody.self, errors: [memberAgent])
    static let relabelAgent = Operation("Label an agent", body: .json(LabelPatch.self), answer: AgentBody.self)
    static let removeAgent = Operation("Remove an agent from the network", answer: Removal.self, errors: [409])

    // MARK: Users

    static let users = Operation(
        "The users of the network, oldest first", [.limit(), .cursor], answer: UsersBody.self, errors: [memberAgent])
    static let changeUser = Operation(
        "Promote, demote, suspend or resume a user", body: .json(UserPatch.self), answer: UserChange.self,
        errors: [409])
    static let removeUser = Operation("Remove a user and all of their devices", answer: Removal.self, errors: [409])

    // MARK: Devices

    static let devices = Operation(
        "The devices of the network, oldest first", [.limit(), .cursor, .query("user", "Only this user's")],
        answer: DevicesBody.self,
        errors: [memberAgent])
    static let device = Operation("One device", answer: DeviceBody.self)

    static func renameDevice(isOwn: Bool) -> Operation {
        Operation(
            isOwn ? "Label a device of the caller" : "Label a device", body: .json(LabelPatch.self),
            answer: DeviceBody.self, errors: isOwn ? [403] : [])
    }

    static func revokeDevice(isOwn: Bool) -> Operation {
        Operation(
            isOwn ? "Put a device of the caller out" : "Put a device out", answer: RevocationBody.self,
            errors: isOwn ? [403] : [])
    }

    // MARK: Invitations and audit

    static let invitations = Operation(
        "The invitations without what admits, newest first", [.limit(), .cursor], answer: InvitationsBody.self,
        errors: [memberAgent])
    static let invite = Operation(
        "Make an invitation; its ticket is in this answer and nowhere else", body: .json(NewInvitation.self),
        answer: CreatedInvitation.self, status: 201, errors: [memberAgent])
    static let revokeInvitation = Operation("Take an invitation back", answer: InvitationRevocation.self)
    static let audit = Operation(
        "Who did what, newest first",
        [
            .limit(), .cursor, .before,
            .query("actor", "A handle, 'operator' or 'system'"),
            .query("action", "A whole action as 'device.revoke', or its first part"),
            .query("subject", "On whom"),
        ], answer: AuditBody.self)
}

extension Operation.Parameter {
    /// How many at most.
    static func limit(_ usual: Int = 100, most: Int64 = 1_000) -> Operation.Parameter {
        .query("limit", .integer(minimum: 1, maximum: most), "How many at most; \(usual) when absent")
    }

    /// The next page.
    static let cursor = query("cursor", "'next_cursor' of the page before")
    /// The next page of what is listed newest first.
    static let before = query(
        "before", .integer(minimum: 1, maximum: .max), "What came earlier than this: 'next' of the page before")

    static let ifMatch = header("If-Match", "Only if it is this version, or '*': only if it exists")
    static let ifNoneMatch = header("If-None-Match", "'*': only if it doesn't exist")
    /// Of what is read.
    static let ifChanged = header("If-None-Match", "Answer 304 if it is still one of these versions")
}
