internal import Glibc

// Which agents' programs are installed here? Each that is known by name is searched for and asked for its version, and for nothing else:
// it gets no variable that could hold a key, no home folder in which its own keys would be, and no file is opened here.

struct InstalledPrograms: Sendable {
    private static let timeLimit = Duration.seconds(5)
    private static let outputLimit = 4_096

    private let folders: [String]

    /// - Parameter path: folders, divided by colons.
    init(path: String) { folders = path.split(separator: ":").map(String.init).filter { $0.hasPrefix("/") } }

    func look() async -> [FoundProvider] {
        let found = await withTaskGroup(of: FoundProvider?.self) { group in
            for name in AgentProgram.known.keys {
                guard let program = folders.lazy.map({ $0 + "/" + name }).first(where: { access($0, X_OK) == 0 }) else {
                    continue
                }
                group.addTask {
                    await version(of: program).map { FoundProvider(name: name, framework: "command", version: $0) }
                }
            }
            return await group.reduce(into: [FoundProvider]()) { found, next in found += next.map { [$0] } ?? [] }
        }
        return found.sorted { $0.name < $1.name }
    }

    private func version(of program: String) async -> String? {
        var command = Command([program, "--version"], setting: "PATH")
        command.environment = [
            "HOME": "/nonexistent", "PATH": folders.joined(separator: ":"), "TMPDIR": "/nonexistent",
        ]
        command.folder = "/"
        command.timeLimit = Self.timeLimit
        command.outputLimit = Self.outputLimit
        guard let output = try? await command.output() else { return nil }
        let line = output.split(separator: UInt8(ascii: "\n")).first.map { String(decoding: $0, as: UTF8.self) } ?? ""
        return String(ProviderFailure.clean(line, secret: nil).prefix(64))
    }
}
