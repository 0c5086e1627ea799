import Foundation
import JSON
import TestPlatforms
import Testing

@testable import Bridges

// What the tests of the network share.

/// What a call threw as a platform's failure; nil when it threw nothing, or something else, which is noted.
func failure(_ body: () async throws -> Void) async -> PlatformFailure? {
    do { try await body() } catch let error as PlatformFailure { return error } catch { Issue.record(error) }
    return nil
}

/// A file that goes when the test is done.
func withFile<T>(_ bytes: [UInt8], _ body: (String) async throws -> T) async throws -> T {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("net-\(UUID().uuidString)").path
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try await body(path)
}

/// What was written, in order.
actor Pieces {
    private(set) var bytes: [UInt8] = []
    private(set) var count = 0

    func add(_ piece: [UInt8]) {
        bytes += piece
        count += 1
    }
}
