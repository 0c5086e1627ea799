internal import Foundation
internal import Glibc
public import NIOCore
public import Store
public import Transport

// Which agents are served on this machine by this user? Every server puts a note with its directory into one folder
// below the user's home, so that a command in another shell finds it without being told. The notes are hints: whether
// an agent runs is asked of its directory.

/// The folder in which running servers of one user make themselves known.
public struct RunningAgents: Sendable {
    /// More entries than this are not read.
    private static let maximumEntries = 1000

    private struct Entry: Codable {
        var directory: String
    }

    private let folder: String

    /// - Parameter home: the user's folder for openagent, see `UserDirectory`.
    public init(home: String) {
        folder = home + "/running"
    }

    /// Makes the server of `node` known.
    ///
    /// - Throws: ``PrivateFileError``
    public func add(_ node: NodeID, directory: AgentDirectory) throws(PrivateFileError) {
        try PrivateFile.createFolder(folder)
        try PrivateFile.replace(file(node), with: smallFileJSON(Entry(directory: directory.path)))
    }

    /// Forgets the server of `node`, at the end of a clean run.
    public func remove(_ node: NodeID) { unlink(file(node)) }

    /// The directories that servers made known, in the order of their paths, whether they still run or not.
    public func directories() -> [AgentDirectory] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let paths = names.filter { $0.hasSuffix(".json") }.prefix(Self.maximumEntries).compactMap { name -> String? in
            guard let bytes = try? PrivateFile.read(folder + "/" + name) else { return nil }
            return try? JSONDecoder().decode(Entry.self, from: Data(bytes)).directory
        }
        return Set(paths.filter { $0.hasPrefix("/") }).sorted().map { AgentDirectory($0) }
    }

    /// Where a node listens on this machine if it is one of those that run; nothing otherwise. Its port may have changed
    /// since others were told.
    public func addresses(of node: NodeID) -> [SocketAddress] {
        for directory in directories() {
            guard case .running(let record) = InstanceState(directory), record.nodeId == node else { continue }
            return ["127.0.0.1", "::1"].compactMap { try? SocketAddress(ipAddress: $0, port: Int(record.udpPort)) }
        }
        return []
    }

    private func file(_ node: NodeID) -> String { "\(folder)/\(node.hex).json" }
}
