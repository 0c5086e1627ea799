import Foundation
import JSON
import Testing

@testable import Agent
@testable import Store

extension ToolServer {
    /// Calls a tool for a user.
    func result(
        _ tool: String, _ arguments: [String: JSONValue] = [:], isAdmin: Bool = true, session: String = "s1"
    ) async -> ToolResult {
        await call(
            tool, arguments,
            for: ToolContext(turnID: "t1", callID: "c1", sessionID: session, handle: "ana", isAdmin: isAdmin),
            progress: { _ in })
    }

    /// What a call that succeeds gives.
    func answer(
        _ tool: String, _ arguments: [String: JSONValue] = [:], isAdmin: Bool = true, session: String = "s1",
        _ location: SourceLocation = #_sourceLocation
    ) async throws -> JSONValue {
        let result = await result(tool, arguments, isAdmin: isAdmin, session: session)
        #expect(!result.isError, "\(tool): \(result.text)", sourceLocation: location)
        return (try? JSONValue(json: result.text)) ?? .string(result.text)
    }

    /// The words of a call that fails.
    func refusal(
        _ tool: String, _ arguments: [String: JSONValue] = [:], isAdmin: Bool = true, session: String = "s1",
        _ location: SourceLocation = #_sourceLocation
    ) async -> String {
        let result = await result(tool, arguments, isAdmin: isAdmin, session: session)
        #expect(result.isError, "\(tool): \(result.text)", sourceLocation: location)
        return result.text
    }
}

extension JSONValue {
    var list: [JSONValue] { if case .array(let list) = self { list } else { [] } }
    var integer: Int? { if case .integer(let number) = self { Int(number) } else { nil } }
    var texts: [String] { list.compactMap(\.string) }
    var isTrue: Bool { self == .bool(true) }
}

/// A folder of a test's own, and a database beside it.
final class TestPlace: Sendable {
    let path: String
    let database: Store.Database

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "builtin-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        database = try Store.Database(path: path + "/test.db")
    }

    deinit {
        try? database.close()
        try? FileManager.default.removeItem(atPath: path)
    }

    var registry: Registry {
        Registry(RegistryRepository(database), http: RegistryTests.NoNetwork(), now: { 1 }) { $0 }
    }
}
