internal import Foundation
internal import Glibc
public import Store
public import Transport

// Who serves an agent, and where can it be reached on this machine? The serving process writes it down for the commands
// beside it. The record is a hint: that it is true is proved by the lock, never by the process number in it.

/// What `.openagent/run.json` holds.
public struct RunRecord: Sendable, Equatable, Codable {
    public var pid: Int32
    public var nodeId: NodeID
    public var udpPort: UInt16
    /// Where the server listens, as `host:port`, most useful first.
    public var addresses: [String]
    public var version: String
    /// In Unix seconds.
    public var startedAt: Double

    public init(pid: Int32, nodeId: NodeID, udpPort: UInt16, addresses: [String], version: String, startedAt: Double) {
        self.pid = pid
        self.nodeId = nodeId
        self.udpPort = udpPort
        self.addresses = addresses
        self.version = version
        self.startedAt = startedAt
    }

    /// When the server started, for people, in UTC.
    public var startedText: String { Date(timeIntervalSince1970: startedAt).formatted(.iso8601) }

    /// Publishes the record, mode 0600, in place of whatever an earlier process left. The caller holds the lock.
    ///
    /// - Throws: ``PrivateFileError``
    public func write(_ directory: AgentDirectory) throws(PrivateFileError) {
        try PrivateFile.replace(directory.runRecord, with: smallFileJSON(self))
    }

    /// Takes the record away at the end of a clean run. The caller holds the lock.
    public static func remove(_ directory: AgentDirectory) { unlink(directory.runRecord) }

    /// What was last written there; nil when there is nothing that can be read as a record.
    public static func read(_ directory: AgentDirectory) -> RunRecord? {
        guard let bytes = try? PrivateFile.read(directory.runRecord) else { return nil }
        return try? JSONDecoder().decode(Self.self, from: Data(bytes))
    }
}

/// Whether an agent is being served.
public enum InstanceState: Sendable, Equatable {
    /// The record is what a process left that did not end cleanly.
    case stopped(leftover: RunRecord?)
    /// A process holds the lock and has not said yet where it listens.
    case starting
    case running(RunRecord)

    /// Asks the lock first, then the record.
    public init(_ directory: AgentDirectory) {
        let record = RunRecord.read(directory)
        guard InstanceLock.isHeld(directory) else {
            self = .stopped(leftover: record)
            return
        }
        // Whoever takes the lock removes the record of the process before.
        self = record.map(InstanceState.running) ?? .starting
    }
}

/// Sorted keys and one line, as all small files of an agent are written.
func smallFileJSON(_ value: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Encoding plain numbers and text to memory cannot fail; an empty file would be read as no record.
    return (try? encoder.encode(value)).map { Array($0) + [UInt8(ascii: "\n")] } ?? []
}
