internal import ArgumentParser
internal import Foundation
internal import Wire

// Which models does the agent have, and which could it have? Everybody reads names and prices; admins change them. What changes them is
// in ModelChanges.

struct Models: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List and change the models.",
        subcommands: [
            List.self, Catalog.self, Available.self, Vendors.self, Add.self, Update.self, Remove.self, Enable.self,
            Disable.self, Default.self,
        ])

    static let path = "/api/models"
    static let hint = "see: openagent models list"

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the models, the one that comes with the agent first.")

        @Flag(help: "Only those that are enabled.")
        var enabled = false
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try Administration.answer(
                    ModelsBody(models: try await $0.models([("enabled_only", enabled ? "true" : nil)])))
            } show: { body in
                var table = Table("ID", "MODEL", "NAME", "KIND", "STATE", "INPUT", "OUTPUT", texts: ["MODEL", "NAME"])
                for row in body.models {
                    table.add(
                        "\(row.id)", row.runtimeID, row.displayName, row.kind, Self.state(of: row),
                        priceText(row.inputCost), priceText(row.outputCost))
                }
                table.show(empty: "There is no model.")
            }
        }

        private static func state(of row: ModelBody) -> String {
            guard row.enabled, row.providerEnabled else { return "disabled" }
            return (["enabled"] + (row.isDefault ? ["default"] : []) + (row.runs ? [] : ["not for chats"]))
                .joined(separator: ", ")
        }
    }

    struct Catalog: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the models that can be chosen, with dollars for a million tokens.")

        @Option(help: ArgumentHelp("Only this provider's.", valueName: "name"))
        var provider: String?
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try await $0.get(
                    Administration.path(Models.path + "/catalog", query: [("provider", provider)]),
                    as: ModelCatalogBody.self)
            } show: { body in
                var table = Table("MODEL", "INPUT", "OUTPUT", "FOR", texts: ["MODEL", "FOR"])
                for row in body.models {
                    table.add(row.runtimeID, priceText(row.inputCost), priceText(row.outputCost), row.tierHint)
                }
                table.show(empty: "There is no model that can be chosen.")
            }
        }
    }

    struct Available: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the models that a provider has, as it says itself; or what is known of all providers.",
            discussion: "Without a provider nobody is asked, and what was found on the agent's machine is listed, too.")

        @Argument(help: "The provider's number or name; without it, all.")
        var provider: String?
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                let path = Models.path + "/available"
                guard let provider else { return try await $0.get(path, as: AvailableModelsBody.self) }
                let row = try await $0.provider(provider)
                return try await $0.get(
                    Administration.path(path, query: [("provider_id", "\(row.id)")]), as: AvailableModelsBody.self)
            } show: { body in
                guard provider != nil else { return Self.showAll(body) }
                var table = Table("MODEL", "NAME", "KIND", "ADDED", texts: ["MODEL", "NAME"])
                for row in body.models { table.add(row.id, row.displayName, row.kind, row.added ? "yes" : nil) }
                table.show(empty: "\(Screen.plain(body.provider)) has no models.")
                if body.stale {
                    Output.writeError(
                        "\(Screen.plain(body.provider)) can't be asked now: this is what it said on \(timeText(body.fetchedAt)).\n"
                    )
                }
            }
        }

        private static func showAll(_ body: AvailableModelsBody) {
            let found = body.found ?? []
            var table = Table("MODEL", "NAME", "KIND", "ADDED", texts: ["MODEL", "NAME"])
            for row in body.models { table.add(row.runtimeID, row.displayName, row.kind, row.added ? "yes" : nil) }
            if !body.models.isEmpty {
                table.show(empty: "")
                if !found.isEmpty { Output.write("\n") }
            }
            if !found.isEmpty {
                var table = Table("FOUND HERE", "AT", "MODELS", "ADD IT WITH", texts: ["FOUND HERE", "MODELS"])
                for one in found {
                    let models = one.models.prefix(5).joined(separator: ", ") + (one.models.count > 5 ? ", …" : "")
                    table.add(one.name, one.baseURL ?? one.version, models, one.command)
                }
                table.show(empty: "")
            }
            if body.loading == true { Output.writeError("Providers are being asked: try again in some seconds.\n") }
            guard body.models.isEmpty, found.isEmpty, Screen.isTerminal else { return }
            Output.write(
                """
                No provider has said what it has, and nothing was found on the agent's machine.
                Add a provider with: openagent providers add NAME (openagent models providers lists names that are known)

                """)
        }
    }

    struct Vendors: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "providers", abstract: "List the vendors whose address is known by their name.")

        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try await $0.get(Models.path + "/providers", as: VendorsBody.self)
            } show: { body in
                for name in body.providers { print(Screen.plain(name)) }
            }
        }
    }
}
