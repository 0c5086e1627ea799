import Foundation
import Logging

@testable import Gateway

/// An agent's folder with a configuration, which goes when nobody holds this any more.
final class TestConfiguration: Sendable {
    let directory: AgentDirectory
    let store: ConfigurationStore
    let log = CapturingLog.Lines()

    init(
        _ text: String?, environment: [String: String] = [:], overrides: ConfigurationOverrides = .init()
    ) throws {
        directory = AgentDirectory(FileManager.default.temporaryDirectory.path + "/config-\(UUID().uuidString)/ada")
        try FileManager.default.createDirectory(atPath: directory.path, withIntermediateDirectories: true)
        if let text { try Data(text.utf8).write(to: URL(filePath: directory.configuration)) }
        let lines = log
        store = ConfigurationStore(
            directory: directory,
            configuration: try AgentConfiguration.load(directory, environment: environment).configuration,
            environment: environment, overrides: overrides,
            logger: Logger(label: "test") { _ in CapturingLog(lines: lines) })
    }

    deinit { try? FileManager.default.removeItem(atPath: directory.path + "/..") }

    /// What stands in the file, or the backup.
    func text(_ suffix: String = "") throws -> String {
        try String(contentsOfFile: directory.configuration + suffix, encoding: .utf8)
    }

    func mode(_ suffix: String = "") throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: directory.configuration + suffix)[.posixPermissions] as? Int
    }

    /// In one step, as editors save.
    func put(_ text: String) throws {
        let new = directory.path + "/.openagent.yaml.swp"
        try Data(text.utf8).write(to: URL(filePath: new))
        guard rename(new, directory.configuration) == 0 else { throw CocoaError(.fileWriteUnknown) }
    }

    /// Waits until a line of the log has `text`.
    func waitForLog(_ text: String) async throws {
        try await within(20, "'\(text)' in the log") { [log] in
            while !log.all.contains(where: { $0.contains(text) }) { try await Task.sleep(for: .milliseconds(5)) }
        }
    }

    /// Runs `body` while the file is watched.
    func watched(_ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.store.run() }
            try await body()
            group.cancelAll()
        }
    }
}

extension TestStream {
    /// A request with header fields of its own.
    func ask(
        _ method: String, _ path: String, _ body: String? = nil, headers: [String: String]
    ) async throws -> TestResponse {
        let length = body.map { "Content-Length: \($0.utf8.count)\r\n" } ?? ""
        let fields = headers.map { "\($0.key): \($0.value)\r\n" }.joined()
        try await send("\(method) \(path) HTTP/1.1\r\nHost: agent\r\n\(fields)\(length)\r\n\(body ?? "")")
        guard let response = try await response() else { throw Timeout(what: "an answer to \(method) \(path)") }
        return response
    }
}
