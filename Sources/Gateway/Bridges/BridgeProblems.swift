internal import Foundation
internal import Store
public import Wire

// What keeps a bridge from running, for those who can't ask the agent? A file for each, as long as it is so: the doctor reads them, and
// `openagent status` does.

/// What is wrong with an agent's own bridges.
public struct BridgeProblems: Sendable {
    private let folder: String

    public init(_ directory: AgentDirectory) { folder = directory.state + "/bridges" }

    private func path(_ platform: Platform) -> String { "\(folder)/\(platform.rawValue).problem" }

    /// Keeps a problem, or forgets it. What can't be written is only missing.
    func set(_ problem: String?, of platform: Platform) {
        guard let problem else {
            try? FileManager.default.removeItem(atPath: path(platform))
            return
        }
        try? PrivateFile.createFolder(folder)
        try? PrivateFile.replace(path(platform), with: Array(problem.utf8))
    }

    /// In the order of the platforms.
    public var all: [(platform: Platform, problem: String)] {
        Platform.allCases.compactMap { platform in
            guard let bytes = try? PrivateFile.read(path(platform), limit: 4_096) else { return nil }
            return (platform, String(decoding: bytes, as: UTF8.self))
        }
    }
}
