internal import ArgumentParser
internal import Foundation

// Where does a key come from? From a prompt that shows nothing, from standard input, or from the environment; never from an argument,
// which every user of the machine could read. Only a reference to where the agent finds it may be one.

/// The options of a command that stores a key.
struct KeyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where the agent finds the key when it needs it: {env:NAME} or {file:PATH} on its machine.",
            valueName: "reference"))
    var key: String?
    @Flag(help: "Read the key from standard input.")
    var keyStdin = false
    @Option(help: ArgumentHelp("Take the key from this environment variable of this command.", valueName: "name"))
    var keyEnv: String?
    @Flag(help: "Ask for the key.")
    var askKey = false
    @Flag(help: "Store no key, and forget the one that is stored.")
    var noKey = false

    func validate() throws {
        guard [key != nil, keyStdin, keyEnv != nil, askKey, noKey].count(where: { $0 }) <= 1 else {
            throw ValidationError("--key, --key-stdin, --key-env, --ask-key and --no-key exclude each other")
        }
    }

    /// - Parameter question: what to ask where nothing was said; nil: don't ask.
    /// - Returns: nil when nothing is to change, empty for no key.
    func value(asking question: String?) throws -> String? {
        if noKey { return "" }
        if let key {
            guard SecretText.isReference(key) else {
                throw CommandError(
                    .usage,
                    "--key takes a reference such as {env:OPENAI_API_KEY}, for every user of this machine sees it",
                    hint: "give a key itself with --key-stdin, --key-env or --ask-key")
            }
            return key
        }
        if let keyEnv { return try SecretText.variable(keyEnv) }
        if keyStdin { return try SecretText.standardInput() }
        if askKey { return try PasswordPrompt.ask(question ?? "Key: ") }
        guard let question, Screen.isInteractive else { return nil }
        let typed = try PasswordPrompt.ask(question)
        return typed.isEmpty ? nil : typed
    }
}

/// Secrets in what a command was given.
enum SecretText {
    private static let longest = 65_536

    /// `${NAME}`, `{env:NAME}` or `{file:PATH}`
    static func isReference(_ text: String) -> Bool {
        text.wholeMatch(of: /\$\{[A-Za-z_][A-Za-z0-9_]*\}|\{env:[A-Za-z_][A-Za-z0-9_]*\}|\{file:[^{}]+\}/) != nil
    }

    static func variable(_ name: String) throws -> String {
        guard let value = ProcessInfo.processInfo.environment[name], !value.isEmpty else {
            throw CommandError(
                .usage, "the environment variable \(name) is not set",
                hint: "set it where you give this command: \(name)=… openagent …")
        }
        return value
    }

    static func standardInput() throws -> String {
        let data = try FileHandle.standardInput.read(upToCount: longest + 1) ?? Data()
        let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard !text.isEmpty, data.count <= longest else {
            throw CommandError(.usage, "there is no key on standard input", hint: "send it there: printenv NAME | …")
        }
        return text
    }

    /// Values of an environment or of headers: `NAME` and `NAME=@VARIABLE` take them from this command's environment,
    /// `NAME={env:OTHER}` leaves a reference to the agent.
    static func values(_ options: [String], _ flag: String) throws -> [String: String] {
        var values: [String: String] = [:]
        for option in options {
            let parts = option.split(separator: "=", maxSplits: 1).map(String.init)
            let name = parts.first ?? ""
            if parts.count == 1 {
                values[name] = try variable(name)
            } else if parts[1].hasPrefix("@") {
                values[name] = try variable(String(parts[1].dropFirst()))
            } else if isReference(parts[1]) {
                values[name] = parts[1]
            } else {
                throw CommandError(
                    .usage, "\(flag) \(name)=… would show its value to every user of this machine",
                    hint:
                        "set a variable and use \(flag) \(name)=@VARIABLE, or a reference: \(flag) \(name)={env:VARIABLE}"
                )
            }
        }
        return values
    }
}
