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

    @Test(
        "P-17: no spelling of a path and no second name of a file leads to the agent's key, in openagent.yaml neither")
    func noOtherNameHelps() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "references-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createDirectory(
            at: folder.appending(path: "agent/.openagent"), withIntermediateDirectories: true)
        let agent = folder.appending(path: "agent")
        for name in ["identity.key", "openagent.db", "openagent.db.before-1", ".openagent/x", "identity.keys"] {
            try Data("text\n".utf8).write(to: agent.appending(path: name))
        }
        try Data("text\n".utf8).write(to: folder.appending(path: "identity.key"))
        try FileManager.default.linkItem(
            at: agent.appending(path: "identity.key"), to: agent.appending(path: "harmless"))
        try FileManager.default.createSymbolicLink(
            at: agent.appending(path: "inner"), withDestinationURL: agent)
        let directory = AgentDirectory(agent.path)
        let stored = SecretReferences(environment: [:], directory: directory)
        let written = ConfigurationReferences(environment: [:], directory: directory)
        for path in [
            "identity.key", "{/../identity.key", "{file:x/../identity.key", "harmless", "inner/identity.key",
            "inner/inner/openagent.db", "openagent.db.before-1", "/proc/self/root\(agent.path)/identity.key",
            "\(folder.path)/identity.key", "inner/.openagent/x",
        ] {
            #expect(throws: ConfigurationReferenceError.self, "\(path)") {
                try stored.replace(in: "{file:\(path)}")
            }
            #expect(throws: ConfigurationReferenceError.self, "\(path)") {
                try written.replace(in: "{file:\(path)}")
            }
        }
        #expect(try stored.replace(in: "{file:identity.keys}") == "text")
        let examined = AgentConfiguration.examine(
            "name: '{file:identity.key}'\n", file: "openagent.yaml", directory, environment: [:])
        #expect(examined.errors.count == 1 && !"\(examined.errors)".contains("text\n"))
    }
}
