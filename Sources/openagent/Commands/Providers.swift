internal import ArgumentParser
internal import Foundation
internal import Wire

// Who runs the agent's models? Admins only. Keys are asked for, or come from standard input or the environment; none is ever shown.

struct Providers: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List and change the providers of models, and their keys.",
        subcommands: [
            List.self, Add.self, Update.self, Remove.self, Enable.self, Disable.self, Test.self,
        ])

    static let path = "/api/providers"
    static let hint = "see: openagent providers list"

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the providers.")

        @OptionGroup var target: TargetOptions

        func run() async throws {
            try await target.run {
                try Administration.answer(ProvidersBody(providers: try await $0.providers()))
            } show: { body in
                var table = Table(
                    "ID", "NAME", "KIND", "FRAMEWORK", "KEY", "ADDRESS", "STATE", texts: ["NAME", "ADDRESS"])
                for row in body.providers {
                    table.add(
                        "\(row.id)", row.name, row.kind, row.framework, row.apiKeyDisplay, row.baseURL,
                        row.enabled ? "enabled" : "disabled")
                }
                table.show(empty: "There is no provider. Add one with: openagent providers add openai")
            }
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add a provider; asks for its key on a terminal.",
            discussion:
                "One of the same name is changed instead. 'openagent models providers' names those that need no address."
        )

        @Argument(help: "Its name, e.g. openai, anthropic or local.")
        var name: String
        @Option(help: ArgumentHelp("Where it is asked.", valueName: "url"))
        var baseURL: String?
        @Option(help: ArgumentHelp("Who speaks with it: api-based unless said otherwise.", valueName: "name"))
        var framework: String?
        @Option(help: ArgumentHelp("What its models are for: llm, tts or stt.", valueName: "kind"))
        var kind: String?
        @Flag(help: "Do not use it yet.")
        var disabled = false
        @OptionGroup var key: KeyOptions
        @OptionGroup var target: TargetOptions

        func run() async throws {
            let wanted = ProviderWrite(
                name: name, framework: framework, kind: kind,
                apiKey: try key.value(asking: "Key of \(name) (empty for none): "), baseURL: baseURL,
                enabled: disabled ? false : nil)
            try await target.run {
                try await $0.post(Providers.path, wanted, as: ProviderChanged.self)
            } show: { body in
                print("\(Screen.plain(body.provider.name)) is provider \(body.provider.id).")
            }
        }
    }

    struct Update: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Change a provider; what isn't named stays.",
            discussion: "A key stays with the address that it was stored for: with a new address, give the key again.")

        @Argument(help: "Its number or name.")
        var provider: String
        @Option(help: ArgumentHelp("A new name.", valueName: "name"))
        var name: String?
        @Option(help: ArgumentHelp("Where it is asked; empty: where its name says.", valueName: "url"))
        var baseURL: String?
        @OptionGroup var key: KeyOptions
        @OptionGroup var target: TargetOptions

        func run() async throws {
            let wanted = ProviderWrite(name: name, apiKey: try key.value(asking: nil), baseURL: baseURL)
            try await target.run {
                let row = try await $0.provider(provider)
                return try await $0.change(Administration.path(Providers.path, "\(row.id)"), to: wanted)
            } show: { (body: ProviderChanged) in
                print("Changed \(Screen.plain(body.provider.name)).")
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove a provider with its models and its key.")

        @Argument(help: "Its number or name.")
        var provider: String
        @Flag(help: "Do not ask.")
        var yes = false
        @OptionGroup var target: TargetOptions

        func run() async throws {
            try Confirmation.ask("Remove the provider \(provider) with all of its models?", given: yes)
            try await target.run {
                let row = try await $0.provider(provider)
                return try await $0.delete(
                    Administration.path(Providers.path, "\(row.id)"), as: ProviderRemoved.self, hint: Providers.hint)
            } show: { body in
                print("Removed \(Screen.plain(provider)) and \(body.modelsPurged) models.")
            }
        }
    }

    struct Enable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Use a provider.")
        @OptionGroup var one: OneProviderOption
        func run() async throws { try await one.act("enable", done: "is enabled") }
    }

    struct Disable: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Use a provider no longer; it keeps its key.")
        @OptionGroup var one: OneProviderOption
        func run() async throws { try await one.act("disable", done: "is disabled") }
    }

    struct Test: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ask a provider for its models: does the key work?")

        @Option(help: ArgumentHelp("Does it have this model?", valueName: "model"))
        var model: String?
        @OptionGroup var one: OneProviderOption

        func run() async throws {
            try await one.target.run {
                let row = try await $0.provider(one.provider)
                return try await $0.post(
                    Administration.path(Providers.path, "\(row.id)") + "/test", ProviderTest(model: model),
                    as: ProviderTested.self)
            } show: { body in
                print("\(Screen.plain(one.provider)) answers and has \(body.models) models.")
                if let model = body.model {
                    print("\(Screen.plain(model)) is \(body.available == true ? "one" : "none") of them.")
                }
            }
        }
    }

    /// The provider that a command is about.
    struct OneProviderOption: ParsableArguments {
        @Argument(help: "Its number or name.")
        var provider: String
        @OptionGroup var target: TargetOptions

        func act(_ action: String, done: String) async throws {
            try await target.run {
                let row = try await $0.provider(provider)
                return try await $0.post(
                    Administration.path(Providers.path, "\(row.id)") + "/\(action)", [String: String](),
                    as: ProviderChanged.self, hint: Providers.hint)
            } show: { body in
                print("\(Screen.plain(body.provider.name)) \(done).")
            }
        }
    }
}
