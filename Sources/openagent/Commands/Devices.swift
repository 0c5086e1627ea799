internal import ArgumentParser
internal import Wire

// Which devices may come in, and which no longer? An admin manages everybody's, every other user their own.

struct Devices: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List, rename, revoke and invite devices: yours, or everybody's for an admin.",
        subcommands: [List.self, Show.self, Rename.self, Revoke.self, Invite.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the devices: every one of the network for an admin, else your own.")

        @Option(help: ArgumentHelp("Only this user's devices.", valueName: "handle"))
        var user: String?
        @OptionGroup var list: ListOptions
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run { network in
                let count = try list.count(or: .max)
                guard let user else { return try await DeviceScope(network).list(atMost: count) }
                return try await network.pages(
                    DeviceScope.everybody, query: [("user", user)], atMost: count, as: DevicesBody.self,
                    hint: "see: openagent users list")
            } show: { body in
                var table = Table(
                    "ID", "STATUS", "USER", "LABEL", "OPEN", "LAST LOGIN", "SINCE", ids: ["ID"],
                    texts: ["USER", "LABEL"])
                for device in body.devices {
                    table.add(
                        device.device, device.status, device.handle, device.label, "\(device.connections)",
                        device.lastSeen.map(timeText), timeText(device.addedAt))
                }
                table.show(empty: "No device has joined yet.")
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show one device.")

        @OptionGroup var device: OneDevice

        func run() async throws {
            let prefix = try device.prefix()
            try await device.target.run { network in
                try Administration.answer(try await DeviceScope(network).device(prefix))
            } show: { device in
                var facts = Facts()
                facts.add("Device", device.device)
                facts.add("User", device.handle)
                facts.add("Label", device.label)
                facts.add("Status", device.status)
                facts.add("Connections", "\(device.connections)")
                facts.add("Since", timeText(device.addedAt))
                facts.add("Last login", device.lastSeen.map(timeText))
                facts.show()
            }
        }
    }

    struct Rename: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Give a device another label.")

        @OptionGroup var device: OneDevice
        @Argument(help: "What it is called in lists; an empty one takes the label away.")
        var label: String

        func run() async throws {
            let prefix = try device.prefix()
            try await device.target.run { network in
                let scope = try await DeviceScope(network)
                let device = try await scope.device(prefix)
                return try await network.patch(
                    scope.path(of: device), LabelPatch(label: label), as: DeviceBody.self)
            } show: { device in
                print(
                    Screen.plain(
                        "Device \(device.device) of \(device.handle) "
                            + (device.label.map { "is called \($0) now." } ?? "has no label now.")))
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put a device out: its connections close at once, its next request is refused.")

        @OptionGroup var device: OneDevice
        @Flag(help: "Do not ask, also when it is the device that you are using.")
        var yes = false

        func run() async throws {
            let prefix = try device.prefix().forGood()
            try await device.target.run { network in
                let scope = try await DeviceScope(network)
                let device = try await scope.device(prefix)
                if device.device == scope.caller.device {
                    try Confirmation.ask("This is the device that you are using. Revoke it?", given: yes)
                }
                let revocation = try await network.delete(scope.path(of: device), as: RevocationBody.self)
                guard revocation.value.revoked else {
                    throw CommandError(
                        .state, "device \(device.device) was revoked before", hint: "see: openagent devices list")
                }
                return revocation
            } show: { revocation in
                print(
                    Screen.plain(
                        "Revoked \(revocation.device) of \(revocation.handle): its connections are closed."))
            }
        }
    }

    struct Invite: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a ticket for another device of yours.",
            discussion: "The first line of output is the ticket. It works with your handle and password only.")

        @OptionGroup var terms: InvitationTerms
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run { network in
                guard try await !network.get("/api/whoami", as: WhoAmI.self).value.isOperator else {
                    throw CommandError(
                        .usage, "the agent's operator has no devices",
                        hint: "invite a user's device with: openagent network invite HANDLE --role device")
                }
                return try await network.post(
                    "/api/whoami/invitations",
                    NewInvitation(ttl: terms.ttl?.seconds, uses: terms.uses, label: terms.label),
                    as: CreatedInvitation.self, hint: "see: openagent devices invite --help")
            } show: {
                terms.show($0)
            }
        }
    }

    /// The device that a command is about.
    struct OneDevice: ParsableArguments {
        @Argument(help: "The device's id, or its first digits.")
        var id: String
        @OptionGroup var target: TargetOptions

        func prefix() throws -> IDPrefix { try IDPrefix(id, of: "device", list: "openagent devices list") }
    }
}

/// Whose devices the caller may manage.
private struct DeviceScope {
    static let everybody = "/api/network/devices"

    let caller: WhoAmI
    private let network: Administration
    private let path: String

    init(_ network: Administration) async throws {
        self.network = network
        caller = try await network.get("/api/whoami", as: WhoAmI.self).value
        path = caller.role == "admin" ? Self.everybody : "/api/whoami/devices"
    }

    func list(atMost count: Int = .max) async throws -> Administration.Answer<DevicesBody> {
        try await network.pages(path, atMost: count, as: DevicesBody.self)
    }

    func device(_ prefix: IDPrefix) async throws -> DeviceBody {
        try prefix.only(among: try await list().value.devices, id: \.device)
    }

    func path(of device: DeviceBody) -> String { Administration.path(path, device.device) }
}
