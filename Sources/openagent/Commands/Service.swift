internal import ArgumentParser
internal import Foundation
internal import Gateway
internal import Store

// How does an agent run without anybody who starts it? As a unit of systemd of the user who owns it. Keys that stand in this command's
// environment go along only after a yes, into a private file; the unit itself is readable by others and holds none.

struct Service: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let systemd start the agent and keep it running.",
        subcommands: [Install.self, State.self, Uninstall.self])

    /// Which agent, and where its files are.
    struct Place: ParsableArguments {
        @Argument(help: ArgumentHelp("The agent's directory.", valueName: "dir"))
        var directory: String?

        func unit() throws -> ServiceUnit {
            let directory = Serve.directory(named: directory)
            guard directory.isAgent else {
                throw CommandError(
                    .usage, "\(directory.path) is no agent's directory",
                    hint: "make it one with: openagent init \(directory.path)")
            }
            let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
            return ServiceUnit(directory, program: program ?? CommandLine.arguments[0])
        }

        private var configuration: String {
            let environment = AgentOptions.environment
            if let path = environment["XDG_CONFIG_HOME"], path.hasPrefix("/") { return path }
            return (environment["HOME"] ?? NSHomeDirectory()) + "/.config"
        }

        func file(of unit: ServiceUnit) -> String { "\(configuration)/systemd/user/\(unit.name).service" }
        func environmentFile(of unit: ServiceUnit) -> String { "\(configuration)/openagent/\(unit.name).env" }
    }

    struct Install: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write the unit, enable and start it.",
            discussion:
                "Keys of models in this command's environment, and variables named by --env, are kept in a private file "
                + "when you say so; without a terminal only with --with-env.")

        @OptionGroup var place: Place
        @Flag(help: "Keep the keys in a private file without asking; --no-with-env: keep none.")
        var withEnv: EnvironmentChoice = .ask
        @Option(help: ArgumentHelp("Also this variable. May be repeated.", valueName: "name"))
        var env: [String] = []

        func run() throws {
            let unit = try place.unit()
            let (file, secrets) = (place.file(of: unit), place.environmentFile(of: unit))
            let keys = try keptKeys(secrets)
            do {
                if !keys.isEmpty {
                    try Service.makeFolder(of: secrets)
                    try PrivateFile.replace(secrets, with: Array(try ServiceUnit.environment(keys).utf8))
                }
                let hasKeys = FileManager.default.fileExists(atPath: secrets)
                try Service.makeFolder(of: file)
                let text = try unit.text(environmentFile: hasKeys ? secrets : nil)
                try Data(text.utf8).write(to: URL(filePath: file), options: .atomic)
            } catch let error as ServiceUnitError {
                throw CommandError(.usage, error.description, hint: "rename it")
            } catch {
                throw CommandError(.failed, "the unit could not be written: \(error)", hint: "look at \(file)")
            }
            print("Wrote \(file)")
            if !keys.isEmpty {
                print("Wrote \(secrets), which only you can read: \(keys.keys.sorted().joined(separator: ", "))")
            }
            let steps = [
                ["systemctl", "--user", "daemon-reload"], ["systemctl", "--user", "enable", "--now", unit.name],
            ]
            for step in steps where !Service.run(step) {
                let commands = steps.map { $0.joined(separator: " ") }.joined(separator: " && ")
                print("systemd did not take it. Where it runs: \(commands)")
                return
            }
            if !Service.run(["loginctl", "enable-linger"]) {
                print("It ends when you log out, unless an administrator runs: loginctl enable-linger \(NSUserName())")
            }
            print("The agent runs. Its log: journalctl --user -u \(unit.name) -o cat")
        }

        /// Those that go into the file.
        private func keptKeys(_ file: String) throws -> [String: String] {
            let environment = AgentOptions.environment
            for name in env where environment[name] == nil {
                throw CommandError(
                    .usage, "there is no variable \(name) here", hint: "export it first, or leave --env out")
            }
            let found = environment.filter { (ServiceUnit.knownKeys + env).contains($0.key) && !$0.value.isEmpty }
            guard !found.isEmpty else { return [:] }
            switch withEnv {
            case .withEnv: return found
            case .noWithEnv: return [:]
            case .ask:
                guard Screen.isInteractive else { return [:] }
                let names = found.keys.sorted().joined(separator: ", ")
                Output.write("Keep \(names) in \(file), which only you can read? [y/N] ")
                let answer = Input.line()?.lowercased().filter { !$0.isWhitespace }
                return answer == "y" || answer == "yes" ? found : [:]
            }
        }
    }

    enum EnvironmentChoice: EnumerableFlag {
        case withEnv, noWithEnv, ask

        static func name(for value: EnvironmentChoice) -> NameSpecification {
            switch value {
            case .withEnv: .customLong("with-env")
            case .noWithEnv: .customLong("no-with-env")
            case .ask: .customLong("ask-env")
            }
        }
    }

    struct State: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "status", abstract: "Say whether there is a unit, and whether systemd runs it.")
        @OptionGroup var place: Place

        func run() throws {
            let unit = try place.unit()
            let file = place.file(of: unit)
            guard FileManager.default.fileExists(atPath: file) else {
                throw CommandError(
                    .state, "there is no unit \(unit.name)",
                    hint: "make it with: openagent service install \(unit.directory.path)")
            }
            let keys = FileManager.default.fileExists(atPath: place.environmentFile(of: unit))
            print("unit   \(file)")
            print("keys   \(keys ? place.environmentFile(of: unit) : "none")")
            print("active \(Service.run(["systemctl", "--user", "is-active", "--quiet", unit.name]) ? "yes" : "no")")
        }
    }

    struct Uninstall: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stop the agent and take its unit and kept keys away; the agent's folder stays.")
        @OptionGroup var place: Place

        func run() throws {
            let unit = try place.unit()
            let file = place.file(of: unit)
            guard FileManager.default.fileExists(atPath: file) else {
                throw CommandError(.state, "there is no unit \(unit.name)", hint: "see: openagent service status")
            }
            _ = Service.run(["systemctl", "--user", "disable", "--now", unit.name])
            for path in [file, place.environmentFile(of: unit)] where FileManager.default.fileExists(atPath: path) {
                do { try FileManager.default.removeItem(atPath: path) } catch {
                    throw CommandError(.failed, "\(path) could not be removed", hint: "remove it by hand")
                }
            }
            _ = Service.run(["systemctl", "--user", "daemon-reload"])
            print("Removed \(file)")
        }
    }

    // MARK: Parts

    private static func makeFolder(of file: String) throws {
        let folder = URL(filePath: file).deletingLastPathComponent()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    /// - Returns: whether the program is there and did what it was asked for.
    private static func run(_ command: [String]) -> Bool {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}
