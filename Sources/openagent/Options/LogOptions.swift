internal import ArgumentParser
internal import Certs
internal import Gateway
internal import Logging

struct LogOptions: ParsableArguments {
    @Option(
        name: .customLong("log-level"),
        help: ArgumentHelp(
            "trace, debug, info, notice, warning, error or critical; else $OPENAGENT_LOG_LEVEL.", valueName: "level"),
        transform: { text in
            guard let level = Logger.Level(rawValue: text.lowercased()) else {
                throw ValidationError("'\(text)' is not a log level")
            }
            return level
        })
    var level: Logger.Level?

    /// The level that flag, environment and file decide.
    func level(file: Logger.Level) throws -> Logger.Level { try chosenLevel() ?? file }

    /// The level that flag and environment decide; nil when neither does.
    func chosenLevel() throws -> Logger.Level? {
        try Setting.resolve(
            flag: level, variable: "OPENAGENT_LOG_LEVEL", environment: AgentOptions.environment,
            parse: { Logger.Level(rawValue: $0.lowercased()) })
    }

    /// A logger for a command whose terminal belongs to the conversation: it writes to a private file.
    func fileLogger(environment: [String: String]) throws -> Logger {
        let level = try level(file: .warning)
        let output = try LogOutput.file(UserDirectory.path(environment: environment) + "/logs/client.log")
        return Logger(label: "openagent") { AgentLogHandler(label: $0, output: output, level: level) }
    }
}
