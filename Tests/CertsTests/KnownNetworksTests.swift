import Foundation
import Testing

@testable import Certs
@testable import Store
@testable import Transport

@Suite struct KnownNetworksTests {
    let directory: TemporaryDirectory
    let home: ClientHome
    init() throws {
        directory = try TemporaryDirectory()
        home = try ClientHome(path: directory.path + "/user")
    }

    func row(_ name: String, id: String, handle: String = "alice") throws -> JoinedNetwork {
        let certificate = DeviceCertificate.issue(
            handle: handle, deviceKey: try home.identity().nodeID, networkID: id, issuedAt: 0, signedBy: SecretKey())
        return JoinedNetwork(
            name: name, networkID: id, coordinator: SecretKey().nodeID, handle: handle, addedAt: 0,
            certificatePath: try home.store(certificate))
    }

    func store(_ rows: [JoinedNetwork]) throws { _ = try home.networks.update { $0.networks = rows } }

    // MARK: Names

    @Test(
        arguments: [
            ("home", "1", nil), ("alice@home", "1", nil), (" Alice@Home / Work-Agent ", "1", "work-agent"),
            ("home/work-agent", "1", "work-agent"), ("2/x", "2", "x"), ("a/b", "3", nil), ("a/b/c", "3", "c"),
            ("alice@a/b/c", "3", "c"),
        ] as [(String, String, String?)])
    func anAgentIsNamedAfterASlash(_ text: String, _ networkID: String, _ agent: String?) throws {
        try store([row("home", id: "1"), row("work", id: "2"), row("a/b", id: "3")])
        let places = try home.networks.load().places(text)
        #expect(places.map(\.network.networkID) == [networkID])
        #expect(places.first?.agent == agent)
    }

    @Test(arguments: ["", "/", "/work-agent", "home/", "nowhere/x", "bob@home/x"])
    func whatNamesNoNetworkIsNoPlace(_ text: String) throws {
        try store([row("home", id: "1")])
        #expect(try home.networks.load().places(text).isEmpty)
    }

    // MARK: Use and forget

    @Test func theActiveAgentIsOfTheActiveNetworkOnly() throws {
        let (one, two) = (try row("home", id: "1"), try row("work", id: "2"))
        try store([one, two])
        try home.use(two, agent: "helper")
        let networks = try home.networks.load()
        #expect(networks.active == two && networks.activeNetwork == "work")
        #expect(networks.activeAgent(in: two) == "helper")
        #expect(networks.activeAgent(in: one) == nil)
        try home.use(one)
        #expect(try home.networks.load().activeAgent == nil)
    }

    @Test func theActiveNetworkIsNamedSoThatItAloneIsMeant() throws {
        let (one, two) = (try row("home", id: "1"), try row("home", id: "1", handle: "bob"))
        let (three, four) = (try row("x", id: "3"), try row("x", id: "4"))
        try store([one, two, three, four])
        for network in [one, two, three, four] {
            try home.use(network)
            #expect(try home.networks.load().active == network)
        }
    }

    @Test func aForgottenNetworkLeavesNothingBehind() throws {
        let (one, two) = (try row("home", id: "1"), try row("work", id: "2"))
        try store([one, two])
        for network in [one, two] { _ = try home.agents(of: network.networkID).store([]) }
        try home.use(one, agent: "helper")
        #expect(try home.forget(one))
        #expect(try home.networks.load().networks == [two])
        #expect(try home.networks.load().activeNetwork == nil)
        #expect(try home.networks.load().activeAgent == nil)
        let left = try FileManager.default.subpathsOfDirectory(atPath: home.path)
        #expect(!left.contains { $0.contains("1__alice") || $0 == "agents/1.json" }, "\(left)")
        #expect(left.contains("certs/2__alice.cert") && left.contains("agents/2.json"))
        #expect(try !home.forget(one), "a second time there is nothing to forget")
    }

    @Test func anotherHandleOfAForgottenNetworkKeepsItsAgents() throws {
        let (one, two) = (try row("home", id: "1"), try row("home", id: "1", handle: "bob"))
        try store([one, two])
        _ = try home.agents(of: "1").store([])
        #expect(try home.forget(one))
        #expect(FileManager.default.fileExists(atPath: home.agents(of: "1").path))
        #expect(FileManager.default.fileExists(atPath: two.certificatePath))
    }

    @Test func forgettingRemovesNoFileOutsideOfThisDevicesCertificates() throws {
        let outside = directory.path + "/precious"
        try PrivateFile.replace(outside, with: [1])
        for path in [outside, home.path + "/certs/../../precious", home.networks.path] {
            var network = try row("home", id: "1")
            network.certificatePath = path
            try store([network])
            #expect(try home.forget(network))
            #expect(FileManager.default.fileExists(atPath: outside))
            #expect(FileManager.default.fileExists(atPath: home.networks.path))
        }
    }

    // MARK: Agents

    @Test func agentsComeBackAsTheyWereStored() throws {
        let file = home.agents(of: "6f1d")
        #expect(file.load().isEmpty)
        let agents = [
            KnownAgent(handle: "home", nodeID: SecretKey().nodeID),
            KnownAgent(
                handle: "work-agent", nodeID: SecretKey().nodeID, label: "Büro", addresses: ["192.0.2.7:1", "[::1]:2"]),
        ]
        #expect(try file.store(agents) == agents)
        #expect(file.load() == agents)
        #expect(try mode(of: file.path) == 0o600)
        #expect(file.path == home.path + "/agents/6f1d.json")
        #expect(home.agents(of: "../../x").path == home.path + "/agents/______x.json")
    }

    @Test(arguments: ["", "{}", "[]", "garbage", "{\"agents\": [{\"handle\": \"x\", \"node_id\": \"zz\"}]}"])
    func aFileOfAgentsThatCannotBeReadIsNone(_ text: String) throws {
        let file = home.agents(of: "6f1d")
        _ = try file.store([])
        try PrivateFile.replace(file.path, with: Array(text.utf8))
        #expect(file.load().isEmpty)
        _ = try file.store([KnownAgent(handle: "home", nodeID: SecretKey().nodeID)])
        #expect(file.load().count == 1)
    }

    @Test func whatIsRememberedOfAgentsIsBounded() throws {
        let file = home.agents(of: "6f1d")
        let node = SecretKey().nodeID
        let many = (0..<1_200).map { KnownAgent(handle: "agent-\($0)", nodeID: node) }
        #expect(try file.store(many).count == AgentsFile.maximumAgents)
        #expect(file.load().count == AgentsFile.maximumAgents)
        let odd = [
            KnownAgent(handle: "", nodeID: node), KnownAgent(handle: "a\u{1B}[2J", nodeID: node),
            KnownAgent(handle: String(repeating: "x", count: 65), nodeID: node),
            KnownAgent(
                handle: "fine", nodeID: node, label: String(repeating: "x", count: 257),
                addresses: (0..<20).map { "192.0.2.7:\($0)" } + [String(repeating: "1", count: 100)]),
        ]
        let kept = try file.store(odd)
        #expect(kept.map(\.handle) == ["fine"])
        #expect(kept[0].label == nil && kept[0].addresses.count == 8)
    }

    @Test func agentsArePickedByHandleOrNodeID() {
        let (one, two) = (SecretKey().nodeID, SecretKey().nodeID)
        let agents = [KnownAgent(handle: "Home", nodeID: one), KnownAgent(handle: "work-agent", nodeID: two)]
        #expect(AgentFinder.pick(" home ", from: agents)?.nodeID == one)
        #expect(AgentFinder.pick(two.hex, from: agents)?.handle == "work-agent")
        #expect(AgentFinder.pick("other", from: agents) == nil)
        #expect(AgentFinder.pick(SecretKey().nodeID.hex, from: agents) == nil)
    }
}
