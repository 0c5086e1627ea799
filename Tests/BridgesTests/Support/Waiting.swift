import Foundation

// How does a test wait? For what it waits for, and not for ever.

struct Timeout: Error, CustomStringConvertible {
    let what: String
    var description: String { "timed out waiting for \(what)" }
}

/// Fails instead of hanging.
func within<T: Sendable>(
    _ seconds: Double = 30, _ what: String, _ body: @escaping @Sendable () async throws -> T
) async throws -> T {
    try await withThrowingTaskGroup(of: T.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: .seconds(seconds))
            throw Timeout(what: what)
        }
        defer { group.cancelAll() }
        guard let first = try await group.next() else { throw Timeout(what: what) }
        return first
    }
}

/// Looks again and again until `condition` holds.
func eventually(
    _ what: String, _ condition: @escaping @Sendable () async throws -> Bool
) async throws {
    try await within(30, what) {
        while try await !condition() { try await Task.sleep(for: .milliseconds(5)) }
    }
}

/// A folder that goes with its last owner.
final class TestFolder: Sendable {
    let path = FileManager.default.temporaryDirectory.path + "/bridges-\(UUID().uuidString)"

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
