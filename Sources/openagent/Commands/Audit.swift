internal import ArgumentParser
internal import Wire

struct Audit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show who changed what in the network, newest first.")

    @OptionGroup var list: ListOptions
    @Option(help: ArgumentHelp("Only what this handle did; also operator and system.", valueName: "handle"))
    var actor: String?
    @Option(help: ArgumentHelp("Only this action, as device.revoke.", valueName: "action"))
    var action: String?
    @Option(help: ArgumentHelp("Only what was done to this user, device, agent or invitation.", valueName: "subject"))
    var subject: String?
    @Option(help: ArgumentHelp("Only what is older than this row.", valueName: "id"))
    var before: Int64?
    @OptionGroup var target: TargetOptions

    func run() async throws {
        let query = [
            ("before", before.map(String.init)), ("actor", actor), ("action", action), ("subject", subject),
        ]
        try await target.run {
            try await $0.pages(
                "/api/audit", query: query, atMost: list.count(or: 50), as: AuditBody.self,
                hint: "see: openagent audit --help")
        } show: { body in
            var table = Table(
                "ID", "TIME", "ACTOR", "DEVICE", "ACTION", "SUBJECT", "RESULT", ids: ["DEVICE", "SUBJECT"],
                texts: ["ACTOR"])
            for entry in body.entries {
                table.add(
                    "\(entry.id)", timeText(entry.at), entry.actor, entry.device, entry.action, entry.subject,
                    entry.result)
            }
            table.show(empty: "There is no such entry.")
            if let next = body.next, Screen.isTerminal { Output.write("Older ones: --before \(next)\n") }
        }
    }
}
