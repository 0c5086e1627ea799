internal import Foundation
internal import Transport

// Which agent does a command on this machine mean? The one that was named, else the one in whose folder the user
// stands, else the only one that runs. This file chooses a directory; dialling what runs there is the caller's work.

/// Finds the agent of a local command.
public struct AgentLocator: Sendable {
    /// The environment variable that names an agent's directory.
    public static let variable = "OPENAGENT_AGENT"
    /// The environment variable that names an agent by its node id or its name.
    public static let nodeVariable = "OPENAGENT_NODE"

    /// How somebody named an agent.
    public enum Choice: Sendable, Equatable {
        case directory(String)
        /// A node id, or the name of an agent, its network or its folder.
        case node(String)

        /// What the environment says; the directory comes first.
        public init?(environment: [String: String]) {
            func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
            if let directory = value(AgentLocator.variable) {
                self = .directory(directory)
            } else if let node = value(AgentLocator.nodeVariable) {
                self = .node(node)
            } else {
                return nil
            }
        }
    }

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

    /// The first of: `chosen` (the options `--agent` and `--node`), `$OPENAGENT_AGENT`, `$OPENAGENT_NODE`, the current
    /// directory if it is an agent's, `./my-agent`, the only agent that runs.
    ///
    /// - Throws: ``AgentLocatorError``
    public func locate(_ chosen: Choice?) throws(AgentLocatorError) -> AgentDirectory {
        switch chosen {
        case .directory(let path)?: return try existing(path, source: "--agent")
        case .node(let name)?: return try known(name, source: "--node")
        case nil: break
        }
        switch Choice(environment: environment) {
        case .directory(let path)?: return try existing(path, source: Self.variable)
        case .node(let name)?: return try known(name, source: Self.nodeVariable)
        case nil: break
        }
        if let near = nearby.first { return near }
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

    /// The record of the server of the agent that ``locate(_:)`` finds.
    ///
    /// - Throws: ``AgentLocatorError``
    public func locateRunning(_ chosen: Choice?) throws(AgentLocatorError) -> (
        directory: AgentDirectory, record: RunRecord
    ) {
        let directory = try locate(chosen)
        switch InstanceState(directory) {
        case .running(let record): return (directory, record)
        case .starting: throw .starting(directory)
        case .stopped(let leftover): throw .notRunning(directory, leftover: leftover)
        }
    }

    /// The agents in whose folder, or beside which, the user stands.
    private var nearby: [AgentDirectory] {
        [currentDirectory, currentDirectory + "/" + Self.customary].map { AgentDirectory($0) }.filter(\.isAgent)
    }

    /// The one agent of this machine with this node id or name.
    private func known(_ name: String, source: String) throws(AgentLocatorError) -> AgentDirectory {
        var candidates: [AgentDirectory] = []
        for directory in nearby + running.directories() where directory.isAgent && !candidates.contains(directory) {
            candidates.append(directory)
        }
        let matching = candidates.filter { Self.directory($0, isCalled: name, environment: environment) }
        guard let first = matching.first else { throw .unknown(name, source: source, known: candidates) }
        guard matching.count == 1 else { throw .ambiguous(name, matching) }
        return first
    }

    private static func directory(
        _ directory: AgentDirectory, isCalled name: String, environment: [String: String]
    ) -> Bool {
        if let id = try? NodeID(name) { return (try? SecretKey.load(path: directory.identityKey))?.nodeID == id }
        let configuration = try? AgentConfiguration.load(directory, environment: environment).configuration
        let names = [directory.defaultName, configuration?.name, configuration?.networkName]
        return names.contains { $0?.lowercased() == name.lowercased() }
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
    /// No agent of this machine that is known has this node id or name.
    case unknown(String, source: String, known: [AgentDirectory])
    case ambiguous(String, [AgentDirectory])
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
        case .unknown(let name, let source, let known) where known.isEmpty:
            "no agent '\(name)' (from \(source)) is known on this machine: name its folder with --agent DIR"
        case .unknown(let name, let source, let known):
            "no agent '\(name)' (from \(source)) is known on this machine: known are "
                + known.map(\.path).joined(separator: ", ") + "; name another folder with --agent DIR"
        case .ambiguous(let name, let directories):
            "several agents are called '\(name)': choose one with --agent: "
                + directories.map(\.path).joined(separator: ", ")
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
