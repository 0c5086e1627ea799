internal import ArgumentParser
internal import Wire

extension Network {
    struct Invitations: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "invites", abstract: "List invitations and take them back.",
            subcommands: [List.self, Revoke.self], defaultSubcommand: List.self)

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "List the invitations, without their codes.")

            @Option(help: ArgumentHelp("The same as: network invites revoke ID.", valueName: "id", visibility: .hidden))
            var revoke: String?
            @OptionGroup var list: ListOptions
            @OptionGroup var target: TargetOptions

            func run() async throws {
                if let revoke { return try await Invitations.revoke(revoke, target) }
                try await target.run {
                    try await $0.pages(
                        "/api/network/invitations", atMost: list.count(or: .max), as: InvitationsBody.self)
                } show: { body in
                    var table = Table(
                        "ID", "FOR", "STATE", "USES", "EXPIRES", "BY", "LABEL", texts: ["FOR", "BY", "LABEL"])
                    for invitation in body.invitations {
                        let handle = invitation.bindTo.flatMap { $0.isEmpty ? nil : $0 }
                        table.add(
                            invitation.id, invitation.role + (handle.map { " " + $0 } ?? ""), invitation.state,
                            "\(invitation.usesLeft)", timeText(invitation.expiresAt), invitation.createdBy,
                            invitation.label)
                    }
                    table.show(empty: "Nobody is invited. Invite somebody with: openagent network invite")
                }
            }
        }

        struct Revoke: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Take an invitation back: its ticket admits nobody any more.")

            @Argument(help: "The invitation's id, or its first digits.")
            var id: String
            @OptionGroup var target: TargetOptions

            func run() async throws { try await Invitations.revoke(id, target) }
        }

        private static func revoke(_ id: String, _ target: TargetOptions) async throws {
            let prefix = try IDPrefix(id, of: "invitation", list: "openagent network invites")
            try await target.run { network in
                let list = try await network.pages(
                    "/api/network/invitations", atMost: .max, as: InvitationsBody.self)
                let invitation = try prefix.only(among: list.value.invitations, id: \.id)
                guard invitation.state == "open" else {
                    throw CommandError(
                        .state, "invitation \(invitation.id) is \(invitation.state): it admits nobody any more",
                        hint: "see: openagent network invites")
                }
                return try await network.delete(
                    Administration.path("/api/network/invitations", invitation.id), as: InvitationRevocation.self,
                    hint: "see: openagent network invites")
            } show: { revocation in
                print("Took invitation \(Screen.plain(revocation.id)) back: its ticket admits nobody any more.")
            }
        }
    }
}
