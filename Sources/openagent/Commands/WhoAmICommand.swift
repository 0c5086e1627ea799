internal import ArgumentParser
internal import Wire

struct WhoAmICommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "whoami", abstract: "Say as whom, from which device and at which agent you are known.")

    @OptionGroup var target: TargetOptions

    func run() async throws {
        try await target.run {
            try await $0.get("/api/whoami", as: WhoAmI.self)
        } show: { caller in
            var facts = Facts()
            facts.add("Handle", caller.isOperator ? "the agent's operator" : "\(caller.handle) (\(caller.role))")
            facts.add("Device", caller.device + (caller.deviceLabel.map { " (\($0))" } ?? ""))
            facts.add("Network", "\(caller.network) (\(caller.networkID))")
            facts.add("Agent", "\(caller.agent) (\(caller.nodeID))")
            if let certificate = caller.certificate {
                facts.add("Certificate", "until \(timeText(certificate.expiresAt))")
                facts.add("Renewed", "from \(timeText(certificate.renewalDueAt)) on")
            }
            facts.show()
        }
    }
}
