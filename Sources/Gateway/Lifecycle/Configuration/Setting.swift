// Which of several places decides a setting? The flag of the command, then the environment, then openagent.yaml, then
// the default. This file knows the order and nothing of the settings.

/// A setting that a command takes from several places.
public enum Setting {
    /// What flag or environment say; nil when neither says anything and openagent.yaml decides.
    ///
    /// - Parameters:
    ///   - flag: what the command line says, already parsed.
    ///   - variable: the environment variable, e.g. `OPENAGENT_LOG_LEVEL`. Set to nothing, it counts as not set.
    ///   - parse: reads the variable's text; nil when it is not a value.
    /// - Throws: ``SettingError`` when the variable decides and cannot be read.
    public static func resolve<Value>(
        flag: Value?, variable: String, environment: [String: String], parse: (String) -> Value?
    ) throws(SettingError) -> Value? {
        if let flag { return flag }
        guard let text = environment[variable], !text.isEmpty else { return nil }
        guard let value = parse(text) else { throw SettingError(variable: variable) }
        return value
    }
}

/// An environment variable that holds no value of its kind. Its content is not repeated: it may be a secret.
public struct SettingError: Error, Equatable, CustomStringConvertible {
    public var variable: String

    public var description: String { "the environment variable \(variable) has a value that cannot be used" }
}
