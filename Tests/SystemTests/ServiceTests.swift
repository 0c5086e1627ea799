import Foundation
import Testing

// P-23: the unit of a service, as the real program writes it. systemd is a program of the test's that notes what it is asked.

@Suite struct ServiceTests {
    private struct Machine {
        let world: TestHome
        let configuration: String
        let log: String

        init() async throws {
            world = try TestHome()
            configuration = world.root.path + "/config"
            log = world.root.path + "/asked"
            let bin = world.root.path + "/bin"
            try FileManager.default.createDirectory(atPath: bin, withIntermediateDirectories: true)
            for name in ["systemctl", "loginctl"] {
                try "#!/bin/sh\necho \"\(name) $*\" >> '\(log)'\n".write(
                    toFile: "\(bin)/\(name)", atomically: true, encoding: .utf8)
                try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(bin)/\(name)")
            }
        }

        func run(_ arguments: [String], environment: [String: String] = [:]) async throws -> (
            status: Int32, output: String, errors: String
        ) {
            let all = [
                "XDG_CONFIG_HOME": configuration, "PATH": "\(world.root.path)/bin:/usr/bin:/bin",
            ].merging(environment) { $1 }
            let program = try world.start(arguments, environment: all)
            program.closeInput()
            return (try await program.exit(), program.output, program.errors)
        }

        func units() -> [String] {
            (try? FileManager.default.contentsOfDirectory(atPath: configuration + "/systemd/user"))?.sorted() ?? []
        }

        func text(_ unit: String) throws -> String {
            try String(contentsOfFile: configuration + "/systemd/user/" + unit, encoding: .utf8)
        }

        func asked() -> [String] {
            ((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
        }
    }

    private static let key = "sk-canary-0123456789$`\"\\"

    @Test("P-23: without a terminal and without --with-env no key is written anywhere")
    func noKeys() async throws {
        let machine = try await Machine()
        #expect(try await machine.run(["init", machine.world.agent.path]).status == 0)
        let result = try await machine.run(
            ["service", "install", machine.world.agent.path], environment: ["OPENAI_API_KEY": Self.key])
        #expect(result.status == 0, "\(result)")
        let unit = try #require(machine.units().first)
        let text = try machine.text(unit)
        #expect(!text.contains("EnvironmentFile") && !text.contains("canary"))
        #expect(!FileManager.default.fileExists(atPath: machine.configuration + "/openagent"))
        let name = unit.dropLast(".service".count)
        #expect(
            machine.asked() == [
                "systemctl --user daemon-reload", "systemctl --user enable --now \(name)", "loginctl enable-linger",
            ])
    }

    @Test("P-23: the unit and its private file, to the letter; taking it away takes both")
    func withKeys() async throws {
        let machine = try await Machine()
        let path = machine.world.agent.path
        #expect(try await machine.run(["init", path]).status == 0)
        let result = try await machine.run(
            ["service", "install", path, "--with-env", "--env", "OTHER"],
            environment: ["OPENAI_API_KEY": Self.key, "OTHER": "50% off", "NOT_MINE": "x"])
        #expect(result.status == 0 && !result.output.contains("canary"), "\(result)")
        let unit = try #require(machine.units().first)
        let name = String(unit.dropLast(".service".count))
        #expect(name.wholeMatch(of: /openagent-my-agent-[0-9a-f]{8}/) != nil, "\(name)")
        let secrets = "\(machine.configuration)/openagent/\(name).env"
        let text = try machine.text(unit)
        #expect(
            text.replacing(TestHome.binary, with: "PROGRAM").replacing(path, with: "AGENT").replacing(
                secrets, with: "SECRETS") == """
                    [Unit]
                    Description=OpenAgent, the agent in AGENT
                    StartLimitIntervalSec=60
                    StartLimitBurst=5

                    [Service]
                    ExecStart="PROGRAM" serve "AGENT"
                    EnvironmentFile=-SECRETS
                    Restart=always
                    RestartSec=5
                    SuccessExitStatus=75
                    TimeoutStopSec=30
                    KillMode=mixed
                    UMask=0077
                    NoNewPrivileges=yes
                    LockPersonality=yes
                    RestrictRealtime=yes
                    RestrictSUIDSGID=yes
                    RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
                    SystemCallArchitectures=native
                    SystemCallFilter=@system-service @mount

                    [Install]
                    WantedBy=default.target

                    """)
        #expect(!text.contains("canary"))
        let mode = try FileManager.default.attributesOfItem(atPath: secrets)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(
            try String(contentsOfFile: secrets, encoding: .utf8) == """
                OPENAI_API_KEY="sk-canary-0123456789\\$\\`\\"\\\\"
                OTHER="50% off"

                """)
        let verified = try machine.world.launch(
            "/usr/bin/env", ["systemd-analyze", "--user", "verify", machine.configuration + "/systemd/user/" + unit],
            environment: ["XDG_RUNTIME_DIR": machine.world.root.path])
        // Where there is no systemd there is nothing that could verify.
        if try await verified.exit() != 127 {
            #expect(!verified.errors.contains(unit), "\(verified.errors)")
        }
        let status = try await machine.run(["service", "status", path])
        #expect(status.status == 0 && status.output.contains(secrets) && status.output.contains("active yes"))
        #expect(try await machine.run(["service", "uninstall", path]).status == 0)
        #expect(machine.units().isEmpty && !FileManager.default.fileExists(atPath: secrets))
        #expect(try await machine.run(["service", "uninstall", path]).status == 73)
        #expect(try await machine.run(["service", "status", path]).status == 73)
    }

    @Test("two folders of one name have two units, and names that mean something to systemd stay names")
    func names() async throws {
        let machine = try await Machine()
        for path in ["a/my agent%h $HOME", "b/my agent%h $HOME"] {
            let folder = machine.world.root.path + "/" + path
            try FileManager.default.createDirectory(
                atPath: (folder as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            #expect(try await machine.run(["init", folder]).status == 0)
            #expect(try await machine.run(["service", "install", folder]).status == 0)
        }
        #expect(machine.units().count == 2)
        for unit in machine.units() {
            #expect(unit.hasPrefix("openagent-my-agent-h--HOME-"), "\(unit)")
            #expect(try machine.text(unit).contains(#"/my agent%%h $$HOME""#))
        }
        let missing = try await machine.run(["service", "install", machine.world.root.path + "/nothing"])
        #expect(missing.status == 64 && missing.errors.contains("hint: "), "\(missing)")
    }

    @Test("where systemd does not take it the unit is written all the same, and it is said what to run")
    func withoutSystemd() async throws {
        let machine = try await Machine()
        #expect(try await machine.run(["init", machine.world.agent.path]).status == 0)
        try "#!/bin/sh\nexit 1\n".write(
            toFile: machine.world.root.path + "/bin/systemctl", atomically: false, encoding: .utf8)
        let result = try await machine.run(["service", "install", machine.world.agent.path])
        #expect(result.status == 0 && machine.units().count == 1)
        #expect(result.output.contains("systemctl --user daemon-reload && systemctl --user enable --now"), "\(result)")
    }
}
