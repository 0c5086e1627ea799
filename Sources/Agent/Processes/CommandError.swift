// Why did another program not do its work? In words for the operator: they name the program and where it is configured.

/// A program that could not be used.
public enum CommandError: Error, Sendable, Equatable, CustomStringConvertible {
    case missing(program: String, setting: String)
    case notStarted(program: String, setting: String, reason: String)
    /// - `how`: e.g. `status 1`; `errors`: the end of what it wrote to standard error.
    case failed(program: String, how: String, errors: String)
    case tookTooLong(program: String, limit: Duration)
    /// - `limit`: bytes.
    case tooMuchOutput(program: String, limit: Int)

    public var description: String {
        switch self {
        case .missing(let program, let setting):
            "there is no program '\(program)': install it, or name another one in \(setting)"
        case .notStarted(let program, let setting, let reason):
            "'\(program)' cannot be started (\(reason)): see \(setting)"
        case .failed(let program, let how, let errors):
            "'\(program)' ended with \(how)" + (errors.isEmpty ? "" : ": \(errors)")
        case .tookTooLong(let program, let limit): "'\(program)' did not end within \(limit)"
        case .tooMuchOutput(let program, let limit): "'\(program)' printed more than \(limit) bytes"
        }
    }
}
