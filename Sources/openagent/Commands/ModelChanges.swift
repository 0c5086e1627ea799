internal import ArgumentParser
internal import Foundation
internal import JSON
internal import Wire

// How are models changed from the command line? Added to their provider, switched on and off, and one of them made the default.

extension Models {
    /// What people say about a model.
    struct Details: ParsableArguments {
        @Option(help: ArgumentHelp("What people call it.", valueName: "text"))
        var displayName: String?
        @Option(help: ArgumentHelp("What it is good for.", valueName: "text"))
        var tierHint: String?
        @Option(help: ArgumentHelp("Dollars for a million tokens that it reads.", valueName: "usd"))
        var inputCost: Double?
        @Option(help: ArgumentHelp("Dollars for a million tokens that it writes.", valueName: "usd"))
        var outputCost: Double?

        /// - Parameter before: what is stored.
        func metadata(_ before: [String: JSONValue] = [:]) -> [String: JSONValue]? {
            guard inputCost != nil || outputCost != nil else { return nil }
            var metadata = before
            if let inputCost { metadata["input_cost_per_million"] = .number(inputCost) }
            if let outputCost { metadata["output_cost_per_million"] = .number(outputCost) }
            return metadata
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Add a model of a provider.")

        @Argument(help: "The provider's number or name.")
        var provider: String
        @Argument(help: "What the provider calls the model.")
        var model: String
        @Option(help: ArgumentHelp("What it is for: llm, tts or stt.", valueName: "kind"))
        var kind: String?
        @Flag(help: "Nobody may choose it yet.")
        var disabled = false
        @OptionGroup var details: Details
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                let row = try await $0.provider(provider)
                return try await $0.post(
                    Models.path,
                    ModelWrite(
                        providerID: row.id, model: model, kind: kind, displayName: details.displayName,
                        tierHint: details.tierHint, enabled: !disabled, metadata: details.metadata()),
                    as: ModelChanged.self)
            } show: { body in
                print("\(Screen.plain(body.model.runtimeID)) is model \(body.model.id).")
            }
        }
    }

    struct Update: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Change a model; what isn't named stays.")

        @Argument(help: "Its number or id, e.g. openai:gpt-5")
        var model: String
        @OptionGroup var details: Details
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                let row = try await $0.model(model)
                return try await $0.change(
                    Administration.path(Models.path, "\(row.id)"),
                    to: ModelWrite(
                        displayName: details.displayName, tierHint: details.tierHint,
                        metadata: details.metadata(row.metadata)))
            } show: { (body: ModelChanged) in
                print("Changed \(Screen.plain(body.model.runtimeID)).")
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove a model.")

        @Argument(help: "Its number or id, e.g. openai:gpt-5")
        var model: String
        @Flag(help: "Do not ask.")
        var yes = false
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try Confirmation.ask("Remove the model \(model)?", given: yes)
            try await target.run {
                let row = try await $0.model(model)
                return try await $0.delete(
                    Administration.path(Models.path, "\(row.id)"), as: ModelRemoved.self, hint: Models.hint)
            } show: { _ in
                print("Removed \(Screen.plain(model)).")
            }
        }
    }

    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Let a model be chosen.")
        @OptionGroup var one: OneModelOption
        func run() async throws { try await one.act("enable", done: "is enabled") }
    }

    struct Disable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Let a model be chosen no longer.")
        @OptionGroup var one: OneModelOption
        func run() async throws { try await one.act("disable", done: "is disabled") }
    }

    struct Default: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a model the default, or with none leave the choice to the agent.")

        @Argument(help: "Its number or id, or none.")
        var model: String
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                let rows = try await $0.models()
                let before = rows.first(where: \.isClassifier)
                if model == "none" {
                    guard let before else {
                        throw CommandError(.state, "no model was made the default", hint: Models.hint)
                    }
                    return try await set(before, false, $0)
                }
                return try await set(try await $0.model(model), true, $0)
            } show: { body in
                let id = Screen.plain(body.model.runtimeID)
                guard body.model.isClassifier else { return print("\(id) is the default no longer.") }
                print(
                    body.model.runs
                        ? "\(id) answers where no other is chosen."
                        : "\(id) is the default as soon as the agent can run it; until then the librarian answers.")
            }
        }

        private func set(
            _ row: ModelBody, _ isDefault: Bool, _ agent: Administration
        ) async throws -> Administration.Answer<ModelChanged> {
            try await agent.change(
                Administration.path(Models.path, "\(row.id)"), to: ModelWrite(isClassifier: isDefault))
        }
    }

    /// The model that a command is about.
    struct OneModelOption: ParsableArguments {
        @Argument(help: "Its number or id, e.g. openai:gpt-5")
        var model: String
        @OptionGroup var target: TargetOptions

        func act(_ action: String, done: String) async throws {
            try await target.run {
                let row = try await $0.model(model)
                return try await $0.post(
                    Administration.path(Models.path, "\(row.id)") + "/\(action)", [String: String](),
                    as: ModelChanged.self, hint: Models.hint)
            } show: { body in
                print("\(Screen.plain(body.model.runtimeID)) \(done).")
            }
        }
    }
}
