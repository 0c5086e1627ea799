internal import Foundation

// Which agent does a command on this machine mean? The one that was named, else the one in whose folder the user
// stands, else the only one that runs. This file chooses a directory; dialling what runs there is the caller's work.

/// Finds the agent of a local command.
public struct AgentLocator: Sendable {
    /// The environment variable that names an agent's directory.
    public static let variable = "OPENAGENT_AGENT"
    /// Where `make run` and the first example of the README put an agent.
    private static let customary = "my-agent"

    private let environment: [String: String]
    private let currentDirectory: String
    private let running: RunningAgents

    public init(environment: [String: String], currentDirectory: String, running: RunningAgents) {
        self.environment = environment
        self.currentDirectory = currentDirectory
        self.running = running
    }

    /// The first of: `named` (the option `--agent`), `$OPENAGENT_AGENT`, the current directory if it is an agent's,
    /// `./my-agent`, the only agent that runs.
    ///
    /// - Throws: ``AgentLocatorError``
    public func locate(named: String?) throws(AgentLocatorError) -> AgentDirectory {
        if let named { return try existing(named, source: "--agent") }
        if let named = environment[Self.variable], !named.isEmpty { return try existing(named, source: Self.variable) }
        for candidate in [currentDirectory, currentDirectory + "/" + Self.customary] {
            let directory = AgentDirectory(candidate)
            if directory.isAgent { return directory }
        }
        let known = running.directories()
        let alive = known.filter { directory in
            if case .stopped = InstanceState(directory) { false } else { true }
        }
        switch alive.count {
        case 1: return alive[0]
        case 0: throw .noneRuns(stopped: known.filter(\.isAgent))
        default: throw .severalRun(alive)
        }
    }

    /// The record of the server of the agent that ``locate(named:)`` finds.
    ///
    /// - Throws: ``AgentLocatorError``
    public func locateRunning(named: String?) throws(AgentLocatorError) -> (
        directory: AgentDirectory, record: RunRecord
    ) {
        let directory = try locate(named: named)
        switch InstanceState(directory) {
        case .running(let record): return (directory, record)
        case .starting: throw .starting(directory)
        case .stopped(let leftover): throw .notRunning(directory, leftover: leftover)
        }
    }

    private func existing(_ path: String, source: String) throws(AgentLocatorError) -> AgentDirectory {
        let directory = AgentDirectory(path, relativeTo: currentDirectory)
        guard directory.isAgent else { throw .notAnAgent(directory, source: source) }
        return directory
    }
}

/// Why no agent was found, and what to do.
public enum AgentLocatorError: Error, Equatable, CustomStringConvertible {
    case notAnAgent(AgentDirectory, source: String)
    /// Agents that ran and do not any more.
    case noneRuns(stopped: [AgentDirectory])
    case severalRun([AgentDirectory])
    case starting(AgentDirectory)
    case notRunning(AgentDirectory, leftover: RunRecord?)

    public var description: String {
        switch self {
        case .notAnAgent(let directory, let source):
            "\(directory) (from \(source)) is no agent's folder: it has no openagent.yaml; "
                + "make one with: openagent init \(directory)"
        case .noneRuns(let stopped) where stopped.isEmpty:
            "no agent runs on this machine and there is none in this folder: "
                + "start one with: openagent serve DIR, or name one with --agent DIR"
        case .noneRuns(let stopped):
            "no agent runs on this machine any more: start one again with: "
                + stopped.map { "openagent serve \($0)" }.joined(separator: ", or ")
        case .severalRun(let directories):
            "several agents run on this machine: choose one with --agent: "
                + directories.map(\.path).joined(separator: ", ")
        case .starting(let directory):
            "the agent in \(directory) is just starting or stopping: try again in a moment"
        case .notRunning(let directory, nil):
            "the agent in \(directory) is not running: start it with: openagent serve \(directory)"
        case .notRunning(let directory, let leftover?):
            "the agent in \(directory) is not running: process \(leftover.pid), started \(leftover.startedText), "
                + "ended without a goodbye; start it again with: openagent serve \(directory)"
        }
    }
}
