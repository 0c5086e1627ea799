internal import Agent
internal import Foundation

// What does systemd have to know to keep an agent running? One unit for one agent, named by its folder. Pure: it makes texts; who writes
// them, and asks before a key goes with them, is the command.

/// A unit of systemd for the user who owns an agent.
public struct ServiceUnit: Sendable {
    /// Variables that hold keys of models, as their vendors call them.
    public static let knownKeys = [
        "ANTHROPIC_API_KEY", "CEREBRAS_API_KEY", "DEEPSEEK_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "GROQ_API_KEY",
        "MISTRAL_API_KEY", "MOONSHOT_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY", "XAI_API_KEY", "ZAI_API_KEY",
    ]

    public let directory: AgentDirectory
    /// The program's absolute path.
    public let program: String

    public init(_ directory: AgentDirectory, program: String) {
        self.directory = directory
        self.program = program
    }

    /// Two folders of the same name have different ones: eight digits of the path's SHA-256 tell them apart.
    public var name: String {
        let plain = directory.defaultName.unicodeScalars.prefix(64).map { scalar -> Character in
            let isPlain =
                scalar.isASCII
                && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
                    || "_-".unicodeScalars.contains(scalar))
            return isPlain ? Character(scalar) : "-"
        }
        return "openagent-\(String(plain))-\(ContentTag.of(Array(directory.path.utf8)).prefix(8))"
    }

    /// The unit.
    ///
    /// - Parameter environmentFile: a private file with keys; nil: there is none.
    /// - Throws: ``ServiceUnitError`` when a path can't stand in a unit.
    public func text(environmentFile: String?) throws(ServiceUnitError) -> String {
        let environment = try environmentFile.map { path throws(ServiceUnitError) in
            "EnvironmentFile=-\(try Self.plain(path).replacing("%", with: "%%"))\n"
        }
        return """
            [Unit]
            Description=OpenAgent, the agent in \(try Self.plain(directory.path).replacing("%", with: "%%"))
            StartLimitIntervalSec=60
            StartLimitBurst=5

            [Service]
            ExecStart=\(try Self.word(program)) serve \(try Self.word(directory.path))
            \(environment ?? "")Restart=always
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

            """
    }

    /// What stands in the private file.
    ///
    /// - Throws: ``ServiceUnitError`` for a value that has more than one line.
    public static func environment(_ values: [String: String]) throws(ServiceUnitError) -> String {
        var text = ""
        for (name, value) in values.sorted(by: { $0.key < $1.key }) {
            guard !value.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
                throw .control(name)
            }
            var escaped = ""
            for character in value {
                if "\"\\$`".contains(character) { escaped.append("\\") }
                escaped.append(character)
            }
            text += "\(name)=\"\(escaped)\"\n"
        }
        return text
    }

    /// One word of a command line (systemd.service, "Command lines").
    private static func word(_ path: String) throws(ServiceUnitError) -> String {
        let escaped = try plain(path).replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            .replacing("%", with: "%%").replacing("$", with: "$$")
        return "\"\(escaped)\""
    }

    private static func plain(_ path: String) throws(ServiceUnitError) -> String {
        guard !path.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
            throw .control(path)
        }
        return path
    }
}

/// Why there can be no unit.
public enum ServiceUnitError: Error, Equatable, CustomStringConvertible {
    case control(String)

    public var description: String {
        switch self {
        case .control(let name): "'\(name)' has a control character, which can't stand in a unit of systemd"
        }
    }
}
