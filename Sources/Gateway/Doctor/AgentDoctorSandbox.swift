internal import Agent

// How far is what a model runs kept from this machine, and who can come to it besides its network? The doctor says which walls stand,
// and not more than that.

extension AgentDoctor {
    /// The level of isolation of the shell (P-37).
    func examineSandbox(_ configuration: AgentConfiguration?) async -> AgentFinding {
        guard let shell = configuration?.tools.shell, shell.isEnabled else {
            return .ok("sandbox", "level none: the shell is off, and no command of a model runs")
        }
        guard let problem = await ShellSandbox(folder: directory.workspace, memory: shell.memory).problem() else {
            return .ok(
                "sandbox",
                "level bubblewrap: commands have no network and write nothing but \(directory.workspace); they share "
                    + "this machine's kernel, processors and disk")
        }
        return .problem(
            "sandbox", "level none: the shell is on, and no command runs: \(problem)",
            fix: "apt-get install bubblewrap, or: openagent config set shell.enabled false")
    }
    /// Who can send deliveries (P-98).
    func examineWebhooks(_ configuration: AgentConfiguration?) -> [AgentFinding] {
        guard let address = configuration?.webhooks else { return [] }
        let place = "\(address.host):\(address.port)"
        if address.isLoopback { return [.ok("webhooks", "only this machine reaches \(place)")] }
        return [
            .warning(
                "webhooks", "other machines reach \(place), without a certificate and without encryption",
                fix: "openagent config set webhooks.listen 127.0.0.1:\(address.port), behind a proxy with TLS")
        ]
    }
}
