internal import ArgumentParser
internal import Foundation
internal import Wire

extension Network {
    struct Invite: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a ticket that lets a person, a device or an agent in.",
            discussion: "The first line of output is the ticket. Whoever reads it can join: hand it over in private.")

        enum Role: String, ExpressibleByArgument, CaseIterable { case user, device, agent }

        @Argument(
            help: ArgumentHelp(
                "Whom it is for. A user who is there already gets a device ticket, anybody else a user ticket.",
                valueName: "handle"))
        var handle: String?
        @Option(help: "What it lets in: user, device or agent.")
        var role: Role?
        @OptionGroup var terms: InvitationTerms
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try await $0.post(
                    "/api/network/invitations",
                    NewInvitation(
                        handle: handle, role: role?.rawValue, ttl: terms.ttl?.seconds, uses: terms.uses,
                        label: terms.label), as: CreatedInvitation.self, hint: "see: openagent network invite --help")
            } show: {
                terms.show($0)
            }
        }
    }
}

/// What every command that makes a ticket may be told about it.
struct InvitationTerms: ParsableArguments {
    @Option(help: ArgumentHelp("How long it may be used, as 12h or in seconds; 7d unless said.", valueName: "7d|12h|n"))
    var ttl: TimeSpan?
    @Option(help: ArgumentHelp("How often it may be used, 1 to 1000; once unless said.", valueName: "n"))
    var uses: Int?
    @Option(help: ArgumentHelp("A note for the list of invitations.", valueName: "text"))
    var label: String?
    @Flag(
        inversion: .prefixedNo,
        help: "Print the ticket's QR code; unless said, in a terminal where it fits.")
    var qr: Bool?

    func validate() throws {
        if let uses, !(1...1_000).contains(uses) { throw ValidationError("--uses is 1 to 1000") }
    }

    /// Prints the ticket, first of all, and what it is good for.
    func show(_ made: CreatedInvitation) {
        Output.write(Screen.plain(made.ticket) + "\n\n")
        var facts = Facts()
        facts.add("For", purpose(of: made))
        facts.add("Uses", "\(made.usesLeft)")
        facts.add("Expires", timeText(made.expiresAt))
        facts.add("Join", made.role == "agent" ? "openagent network join oa1…" : "openagent connect oa1…")
        facts.add("Take back", "openagent network invites revoke \(made.id)")
        facts.show()
        showCode(made.ticket)
    }

    private func purpose(of made: CreatedInvitation) -> String {
        let name = made.bindTo.flatMap { $0.isEmpty ? nil : $0 }
        return switch made.intent {
        case "add_agent": "another agent" + (name.map { " of \($0)" } ?? "")
        case "add_device": "another device of " + (name ?? "any user")
        default: "a new user" + (name.map { ", \($0)" } ?? "")
        }
    }

    private func showCode(_ ticket: String) {
        guard qr ?? Screen.isTerminal else { return }
        // Capital letters take less room in a code; in a ticket they mean the same, but not in its prefix.
        guard let code = QRCode(String(ticket.prefix(3)) + ticket.dropFirst(3).uppercased()) else {
            return Output.write("\nThe ticket is too long for a QR code.\n")
        }
        let (columns, lines) = Screen.size
        if qr == nil, code.columns > columns || code.lines > lines {
            return Output.write(
                "\nIts QR code does not fit this terminal: it needs \(code.columns) columns and \(code.lines) lines "
                    + "(--qr prints it all the same).\n")
        }
        Output.write("\n" + code.text(colored: Screen.isTerminal))
    }
}
