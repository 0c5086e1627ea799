import Foundation
import Testing

@testable import Gateway

@Suite struct SecretReferencesTests {
    @Test("P-17: a stored reference reaches variables and files, and never the agent's own key or database")
    func theAgentsOwnFilesAreOutOfReach() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "references-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createDirectory(
            at: folder.appending(path: ".openagent"), withIntermediateDirectories: true)
        for name in ["identity.key", "openagent.db", ".openagent/x", "mine"] {
            try Data("\(name)\n".utf8).write(to: folder.appending(path: name))
        }
        try FileManager.default.createSymbolicLink(
            at: folder.appending(path: "link"), withDestinationURL: folder.appending(path: "identity.key"))
        let references = SecretReferences(
            environment: ["NAME": "value"], directory: AgentDirectory(folder.path))
        #expect(try references.replace(in: "Bearer {env:NAME}") == "Bearer value")
        #expect(try references.replace(in: "{file:mine}") == "mine")
        for path in [
            "identity.key", "./identity.key", "openagent.db", ".openagent/x", "link", "\(folder.path)/identity.key",
        ] {
            #expect(throws: ConfigurationReferenceError.self, "\(path)") {
                try references.replace(in: "{file:\(path)}")
            }
        }
    }
}
