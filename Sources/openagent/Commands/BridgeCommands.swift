internal import ArgumentParser
internal import Wire

// Which chat platforms is the agent on, and who may talk there? Bridges run in the agent, or on a device by `openagent bridge PLATFORM`,
// which is BridgeRunning's.

struct BridgeCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bridge", abstract: "Connect chat platforms with the agent, and say who may talk there.",
        discussion: "The agent runs the bridges of its own file by itself: section 'channels' of openagent.yaml.",
        subcommands: [BridgeRunning.self, List.self, Approve.self, Senders.self, Remove.self],
        defaultSubcommand: BridgeRunning.self)

    static let path = "/api/bridges"

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the bridges, here and elsewhere, and how each is. Admins only.")

        @OptionGroup var list: ListOptions
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try await $0.pages(BridgeCommands.path, atMost: list.count(or: 100), as: BridgesBody.self)
            } show: { body in
                var table = Table(
                    "PLATFORM", "RUNS", "STATE", "SINCE", "ACCOUNT", "WAITING", "PROBLEM",
                    texts: ["RUNS", "ACCOUNT", "PROBLEM"])
                for bridge in body.bridges {
                    let parked = bridge.parked.map { "chat \($0.chat): \($0.reason)" }
                    table.add(
                        bridge.platform, BridgeCommands.place(bridge.device, bridge.handle), bridge.state,
                        bridge.since.map { timeText($0) }, bridge.account, "\(bridge.waiting)",
                        ([bridge.problem].compactMap { $0 } + parked).joined(separator: "; "))
                }
                table.show(empty: "No bridge is set up: docs/bridges.md says how.")
                list.tellRest(body.nextCursor)
            }
        }
    }

    struct Approve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let somebody talk who was told this code in a chat. Admins only.")

        @Argument(help: "The code that they tell you.")
        var code: String
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try await $0.post(
                    Administration.path(BridgeCommands.path + "/pairings", code) + "/approve", [String: String](),
                    as: PairingApproved.self,
                    hint: "a code counts for an hour, once: whoever wants to talk writes to the bot again")
            } show: { body in
                let sender = body.sender
                print("\(Screen.plain(sender.name)) (\(Screen.plain(sender.sender))) may talk on \(sender.platform).")
            }
        }
    }

    struct Senders: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List who was let in by a code, or who waits for it. Admins only.",
            discussion: "Whom the settings of a bridge name is in its settings.")

        @Argument(help: "The platform.", transform: { try BridgeCommands.platform($0) })
        var platform: Platform
        @Flag(help: "Those who asked and were told a code.")
        var waiting = false
        @OptionGroup var list: ListOptions
        @OptionGroup var target: TargetOptions

        func run() async throws {
            let path = "\(BridgeCommands.path)/\(platform.rawValue)"
            guard waiting else {
                return try await target.run {
                    try await $0.pages(path + "/senders", atMost: list.count(or: 100), as: SendersBody.self)
                } show: { body in
                    var table = Table("ID", "NAME", "BRIDGE", "SINCE", "BY", texts: ["ID", "NAME", "BRIDGE", "BY"])
                    for row in body.senders {
                        table.add(
                            row.sender, row.name, BridgeCommands.place(row.device, nil), timeText(row.approvedAt),
                            row.approvedBy)
                    }
                    table.show(empty: "Nobody was let in by a code.")
                    list.tellRest(body.nextCursor)
                }
            }
            try await target.run {
                try await $0.pages(path + "/pairings", atMost: list.count(or: 100), as: PairingsBody.self)
            } show: { body in
                var table = Table("ID", "NAME", "BRIDGE", "ASKED", "UNTIL", texts: ["ID", "NAME", "BRIDGE"])
                for row in body.pairings {
                    table.add(
                        row.sender, row.name, BridgeCommands.place(row.device, nil), timeText(row.createdAt),
                        timeText(row.expiresAt))
                }
                table.show(empty: "Nobody waits.")
                list.tellRest(body.nextCursor)
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take somebody off who was let in by a code; it holds at once. Admins only.")

        @Argument(help: "The platform.", transform: { try BridgeCommands.platform($0) })
        var platform: Platform
        @Argument(help: "The id that 'openagent bridge senders' shows.")
        var sender: String
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try await $0.delete(
                    Administration.path("\(BridgeCommands.path)/\(platform.rawValue)/senders", sender),
                    as: SenderRemoved.self, hint: "see: openagent bridge senders \(platform.rawValue)")
            } show: { _ in
                print("\(Screen.plain(sender)) may not talk on \(platform.rawValue) any more.")
            }
        }
    }

    /// The platform that somebody typed.
    static func platform(_ text: String) throws -> Platform {
        if let platform = Platform(rawValue: text.lowercased()) { return platform }
        let names = Platform.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("'\(text)' is no platform: choose from \(names)")
    }

    /// Where a bridge runs, for people.
    static func place(_ device: String?, _ handle: String?) -> String {
        guard let device else { return "in the agent" }
        return "on \(device.prefix(16))" + (handle.map { " of \($0)" } ?? "")
    }
}
