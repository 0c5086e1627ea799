import Agent
import Foundation
import JSON
import Testing

// A program of `Tests/Peers`: somebody else's library at work on one of the fakes.

enum PeerProgram {
    /// Runs the program while `body` plays the platform's part. A program that ends with an error ends both: what it says
    /// tells more than that the library was waited for in vain.
    ///
    /// - Returns: the JSON that the program prints at its end.
    static func run(
        _ name: String, _ arguments: [String], during body: @escaping @Sendable () async throws -> Void
    ) async throws -> JSONValue {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let python = root.appending(path: ".build/peers/bin/python").path
        try #require(FileManager.default.isExecutableFile(atPath: python), "run scripts/install-peers")
        var command = Command([python, root.appending(path: "Tests/Peers/\(name)").path] + arguments, setting: name)
        command.environment = ["NO_PROXY": "127.0.0.1"]
        command.timeLimit = .seconds(120)
        return try await withThrowingTaskGroup(of: JSONValue?.self) { [command] group in
            defer { group.cancelAll() }
            group.addTask { try JSONDecoder().decode(JSONValue.self, from: Data(try await command.output())) }
            group.addTask {
                try await body()
                return nil
            }
            var printed: JSONValue?
            for try await result in group { printed = result ?? printed }
            return try #require(printed)
        }
    }
}
