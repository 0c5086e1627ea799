internal import ArgumentParser
internal import Certs
internal import Foundation
internal import Transport

// Which networks has this device joined, which one is meant when none is named, and how is one left behind? Only files of
// this device are read and changed here; nobody is asked and nobody is told.

struct Networks: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the networks that this device has joined, choose one, forget one.",
        subcommands: [List.self, Use.self, Forget.self], defaultSubcommand: List.self)

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the joined networks and how long their certificates count.")

        @Flag(help: "Print one JSON document.")
        var json = false

        func run() throws {
            let home = try ClientHome(environment: AgentOptions.environment)
            let rows = try Networks.rows(home)
            if json { return Output.write(try Administration.answer(Document(networks: rows)).json + "\n") }
            var table = Table(
                "", "NETWORK", "AGENT", "CERTIFICATE", "LAST LOGIN", "COORDINATOR", ids: ["COORDINATOR"],
                texts: ["NETWORK", "AGENT"])
            for row in rows {
                let until = row.certificate.expiresAt.map(timeText) ?? ""
                table.add(
                    row.active ? "*" : "", "\(row.handle)@\(row.name)", row.activeAgent,
                    row.certificate.state == "valid" ? "until \(until)" : "\(row.certificate.state) \(until)",
                    row.lastLoginAt.map(timeText), row.coordinator)
            }
            table.show(empty: "This device has joined no network. Join one with: openagent connect oa1… (a ticket)")
        }
    }

    struct Use: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a network, and an agent in it, the one that is meant when none is named.")

        @OptionGroup var network: OneNetwork
        @Flag(help: "Print one JSON document.")
        var json = false

        func run() throws {
            let home = try ClientHome(environment: AgentOptions.environment)
            let place = try network.find(in: home)
            try home.use(place.network, agent: place.agent)
            if json { return try Chosen(place).print() }
            print("\(Screen.plain(place.displayName)) is used when no network is named.")
        }
    }

    struct Forget: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove a network and its certificate from this device.",
            discussion: "The network is not told: put the device out there with 'openagent devices revoke' first.")

        @OptionGroup var network: OneNetwork
        @Flag(help: "Do not ask.")
        var yes = false
        @Flag(help: "Print one JSON document.")
        var json = false

        func run() throws {
            let home = try ClientHome(environment: AgentOptions.environment)
            let place = try network.find(in: home)
            let name = Screen.plain(place.network.displayName)
            try Confirmation.ask("Forget \(name)? Coming back takes handle and password, or a ticket.", given: yes)
            guard try home.forget(place.network) else {
                throw CommandError(
                    .state, "\(name) was forgotten by another command", hint: "see: openagent networks list")
            }
            if json { return try Chosen(place).print() }
            print("Forgot \(name).")
        }
    }

    /// The network that a command is about.
    struct OneNetwork: ParsableArguments {
        @Argument(help: ArgumentHelp("A network's name, or handle@network[/agent].", valueName: "network"))
        var name: String

        func find(in home: ClientHome) throws -> NetworkPlace {
            let joined = try home.networks.load()
            let places = joined.places(name)
            guard let place = places.first else {
                let known = joined.networks.map(\.displayName).joined(separator: ", ")
                throw CommandError(
                    .usage, "this device has not joined '\(Screen.plain(name))'",
                    hint: known.isEmpty ? "join one with: openagent connect oa1…" : "it has joined: \(known)")
            }
            guard places.count == 1 else {
                throw CommandError(
                    .usage, "several networks are called so",
                    hint: "choose one of: \(places.map(\.displayName).joined(separator: ", "))")
            }
            return place
        }
    }

    /// The network that a command was about, for programs.
    private struct Chosen: Encodable {
        var name: String
        var networkID: String
        var handle: String
        var agent: String?

        init(_ place: NetworkPlace) {
            (name, networkID, handle) = (place.network.name, place.network.networkID, place.network.handle)
            agent = place.agent
        }

        func print() throws { Output.write(try Administration.answer(self).json + "\n") }

        private enum CodingKeys: String, CodingKey {
            case name, handle, agent
            case networkID = "network_id"
        }
    }

    // MARK: The list

    fileprivate struct Document: Encodable {
        var networks: [Row]
    }

    fileprivate struct Row: Encodable {
        struct Certificate: Encodable {
            var state: String
            var expiresAt: Double?

            private enum CodingKeys: String, CodingKey {
                case state
                case expiresAt = "expires_at"
            }
        }

        var name: String
        var networkID: String
        var handle: String
        var coordinator: String
        var active: Bool
        var activeAgent: String?
        var addedAt: Double
        var lastLoginAt: Double?
        var certificate: Certificate

        private enum CodingKeys: String, CodingKey {
            case name, handle, active, certificate
            case networkID = "network_id"
            case coordinator = "coordinator_node_id"
            case activeAgent = "active_agent"
            case addedAt = "added_at"
            case lastLoginAt = "last_login_at"
        }
    }

    fileprivate static func rows(_ home: ClientHome) throws -> [Row] {
        let joined = try home.networks.load()
        guard !joined.networks.isEmpty else { return [] }
        // Of a single network it needs no saying.
        let active = joined.active ?? (joined.networks.count == 1 ? joined.networks[0] : nil)
        let device = try home.identity().nodeID
        return try joined.networks.map { network in
            Row(
                name: network.name, networkID: network.networkID, handle: network.handle,
                coordinator: network.coordinator.hex, active: network == active,
                activeAgent: joined.activeAgent(in: network), addedAt: network.addedAt,
                lastLoginAt: network.lastLoginAt,
                certificate: .init(
                    try home.credential(for: network, device: device, now: Date().timeIntervalSince1970)))
        }
    }
}

extension Networks.Row.Certificate {
    fileprivate init(_ credential: StoredCredential) {
        switch credential {
        case .usable(let certificate): self.init(state: "valid", expiresAt: certificate.expiresAt)
        case .expired(let certificate): self.init(state: "expired", expiresAt: certificate.expiresAt)
        case .notYetValid(let certificate): self.init(state: "not_yet_valid", expiresAt: certificate.expiresAt)
        case .missing: self.init(state: "missing", expiresAt: nil)
        case .damaged: self.init(state: "damaged", expiresAt: nil)
        case .otherKey: self.init(state: "other_key", expiresAt: nil)
        case .foreign: self.init(state: "foreign", expiresAt: nil)
        }
    }
}
