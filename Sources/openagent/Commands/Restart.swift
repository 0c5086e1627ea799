internal import ArgumentParser
internal import Wire

struct Restart: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask the running agent to end with exit code 75, by which its service manager starts it again.",
        discussion: "Running turns may end first; what waits is answered after the start. Admins only.")

    @OptionGroup var target: TargetOptions

    func run() async throws {
        try await target.run {
            try await $0.post("/api/restart", [String: String](), as: RestartBody.self, hint: "see: openagent status")
        } show: { _ in
            print("Restarting... The agent ends when its running turns have; its service manager starts it again.")
        }
    }
}
