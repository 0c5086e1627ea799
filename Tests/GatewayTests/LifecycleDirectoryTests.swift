import Foundation
import NIOCore
import Store
import Testing
import Transport

@testable import Gateway

enum LifecycleFixture {
    /// A folder of its own for one test.
    static func folder() throws -> String {
        let path = NSTemporaryDirectory() + "agent-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    static func mode(of path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }
}

@Suite struct LifecycleDirectoryTests {
    @Test func initMakesAllThatServingNeeds() throws {
        let directory = AgentDirectory(try LifecycleFixture.folder() + "/deep/er/my-agent")
        #expect(!directory.isAgent)
        #expect(
            try directory.create() == ["openagent.yaml", "memories/", "memories/Welcome.md", "logs/", ".openagent/"])
        #expect(directory.isAgent)
        #expect(try LifecycleFixture.mode(of: directory.state) == 0o700)
        #expect(try LifecycleFixture.mode(of: directory.configuration) == 0o600)
        let (configuration, warnings) = try AgentConfiguration.load(directory, environment: [:])
        #expect(configuration == AgentConfiguration(directory: directory))
        #expect(configuration.name == "my-agent")
        #expect(warnings.isEmpty)
    }

    @Test func initNeverChangesWhatIsThere() throws {
        let directory = AgentDirectory(try LifecycleFixture.folder())
        try Data("name: mine".utf8).write(to: URL(fileURLWithPath: directory.configuration))
        try FileManager.default.createDirectory(atPath: directory.memories, withIntermediateDirectories: true)
        #expect(try directory.create() == ["logs/", ".openagent/"])
        #expect(try directory.create() == [])
        #expect(try String(contentsOfFile: directory.configuration, encoding: .utf8) == "name: mine")
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.memories) == [])
    }

    @Test(arguments: ["it's \"quoted\"", "back\\slash", "a: b # c", "true", "007", "[x]", "naïve 🦉"])
    func anyNameSurvivesTheFirstConfiguration(_ name: String) throws {
        let directory = AgentDirectory(try LifecycleFixture.folder())
        _ = try directory.create(name: name)
        #expect(try AgentConfiguration.load(directory, environment: [:]).configuration.name == name)
    }

    @Test func everyKeyShownInTheFirstConfigurationIsKnown() throws {
        let directory = AgentDirectory(try LifecycleFixture.folder())
        _ = try directory.create(name: "x")
        let yaml = try String(contentsOfFile: directory.configuration, encoding: .utf8)
        let uncommented = yaml.split(separator: "\n").dropFirst(2).map { line in
            line.hasPrefix("# ") && line.contains(": ") || line.hasSuffix(":")
                ? String(line.dropFirst(2)) : String(line)
        }
        try Data(uncommented.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: directory.configuration))
        let (configuration, warnings) = try AgentConfiguration.load(directory, environment: [:])
        #expect(warnings.isEmpty)
        #expect(configuration.port == 4433 && configuration.networkName == "home")
    }

    @Test func aStateFolderThatOthersMayReadIsClosedAndALinkIsRefused() throws {
        let directory = AgentDirectory(try LifecycleFixture.folder())
        _ = try directory.create()
        #expect(chmod(directory.state, 0o755) == 0)
        _ = try directory.create()
        #expect(try LifecycleFixture.mode(of: directory.state) == 0o700)
        try FileManager.default.removeItem(atPath: directory.state)
        try FileManager.default.createSymbolicLink(atPath: directory.state, withDestinationPath: NSTemporaryDirectory())
        #expect(throws: PrivateFileError.self) { try directory.create() }
    }

    @Test(
        arguments: [
            ("memories", "/a/b/memories"), ("./x/../y", "/a/b/y"), ("/else/where", "/else/where"), (".", "/a/b"),
            ("..", nil), ("../b2", nil), ("x/../../c", nil), ("", nil), ("a\0b", nil),
        ] as [(String, String?)])
    func aRelativePathStaysInsideTheAgent(_ path: String, _ resolved: String?) {
        #expect(AgentDirectory("/a/b").resolve(path) == resolved)
    }

    @Test func pathsAreMadeAbsolute() {
        #expect(AgentDirectory("x/../my-agent/", relativeTo: "/home/u").path == "/home/u/my-agent")
        #expect(AgentDirectory("/").defaultName == "agent")
    }

    @Test func addressHintsKeepThePortAndTheReferencesForm() throws {
        let directory = AgentDirectory(try LifecycleFixture.folder())
        let node = SecretKey().nodeID
        #expect(AddressHints.read(directory, of: node) == nil)
        let addresses = try ["192.0.2.1:4433", "[::1]:4433"].map { try SocketAddress(hostAndPort: $0) }
        try AddressHints(nodeID: node, addresses: addresses, writtenAt: 1_795_248_000.7).write(directory)
        #expect(
            try String(contentsOfFile: directory.addressHints, encoding: .utf8)
                == #"{"addresses":["192.0.2.1:4433","[::1]:4433"],"node_id":"\#(node.hex)","relay_url":null,"written_at":1795248000}"#
                + "\n")
        #expect(try LifecycleFixture.mode(of: directory.addressHints) == 0o600)
        #expect(AddressHints.read(directory, of: node)?.port == 4433)
        #expect(AddressHints.read(directory, of: SecretKey().nodeID) == nil)
        try Data("{\"node_id\":".utf8).write(to: URL(fileURLWithPath: directory.addressHints))
        #expect(AddressHints.read(directory, of: node) == nil)
    }
}
