internal import ArgumentParser
internal import Foundation
internal import JSON
internal import Wire

// Which workflows may be started from outside? Webhooks from the command line. A secret is shown when it is made, and never again.

extension Workflows {
    struct Webhook: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let something from outside start a workflow.",
            discussion: "They are listened for where 'webhooks.listen' of openagent.yaml says.",
            subcommands: [Add.self, List.self, Rotate.self, Remove.self])

        static let path = "/api/webhooks"
        static let hint = "see: openagent workflows webhook list"

        struct Add: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Make a webhook for a workflow; its secret is shown this once.")

            @OptionGroup var workflow: OneWorkflow
            @Option(help: ArgumentHelp("hmac, github, stripe, slack, gitlab or bearer.", valueName: "kind"))
            var kind: String?
            @Option(help: ArgumentHelp("The last part of its address.", valueName: "slug"))
            var slug: String?

            func run() async throws {
                let (made, address, starts) = try await workflow.target.ask {
                    agent -> (Administration.Answer<WebhookBody>, String?, Bool) in
                    let made = try await agent.post(
                        Workflows.one(workflow.name, "/webhook"), NewWebhook(slug: slug, kind: kind),
                        as: WebhookBody.self, hint: Workflows.hint)
                    // It is made, whatever else can't be found out.
                    let settings = try? await agent.get(Config.path, as: JSONValue.self, hint: Config.hint).value
                    let flow = try? await agent.get(
                        Workflows.one(workflow.name), as: WorkflowBody.self, hint: Workflows.hint
                    ).value
                    return (
                        made, settings?["webhooks"]?["listen"]?.string,
                        flow?.triggerTypes.contains(Self.trigger) ?? true
                    )
                }
                if workflow.target.json { return Output.write(Screen.json(made.json) + "\n") }
                Webhook.show(made.value, at: address)
                if address == nil {
                    Output.write("Nobody listens for it yet: openagent config set webhooks.listen 127.0.0.1:8899\n")
                }
                if !starts {
                    Output.write(
                        "\(Screen.plain(workflow.name)) has no block of type \(Self.trigger) to begin at yet.\n")
                }
            }

            private static let trigger = "trigger-event"
        }

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "List the webhooks in the order of their slugs.")
            @OptionGroup var target: TargetOptions

            func run() async throws {
                try await target.run { agent in
                    var all: [WebhookBody] = []
                    var cursor: String?
                    repeat {
                        let page = try await agent.get(
                            Administration.path(Webhook.path, query: [("cursor", cursor)]), as: WebhooksBody.self)
                        all += page.value.webhooks
                        cursor = page.value.nextCursor
                    } while cursor != nil
                    return try Administration.answer(WebhooksBody(webhooks: all, nextCursor: nil))
                } show: { body in
                    var table = Table("PATH", "KIND", "SECRET", "LAST", "WORKFLOW", texts: [])
                    for hook in body.webhooks {
                        table.add(
                            hook.path, hook.kind, "…" + hook.secretHint, hook.lastUsedAt.map(timeText),
                            hook.workflowID)
                    }
                    table.show(empty: "There is no webhook. Make one with: openagent workflows webhook add WORKFLOW")
                }
            }
        }

        struct Rotate: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Make a webhook's secret anew; it is shown this once.")
            @OptionGroup var hook: OneWebhook

            func run() async throws {
                try await hook.target.run {
                    try await $0.post(
                        Administration.path(Webhook.path, hook.slug) + "/rotate", [String: String](),
                        as: WebhookBody.self, hint: Webhook.hint)
                } show: {
                    Webhook.show($0)
                }
            }
        }

        struct Remove: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Remove a webhook.")
            @OptionGroup var hook: OneWebhook

            func run() async throws {
                try await hook.target.run {
                    try await $0.delete(
                        Administration.path(Webhook.path, hook.slug), as: WebhookDeleted.self, hint: Webhook.hint)
                } show: { _ in
                    print("Removed \(Screen.plain(hook.slug)).")
                }
            }
        }

        private static func show(_ hook: WebhookBody, at address: String? = nil) {
            var facts = Facts()
            facts.add("Path", hook.path)
            facts.add("Address", address.map { "http://\($0)\(hook.path)" })
            facts.add("Kind", hook.kind)
            facts.add("Secret", hook.secret)
            facts.show()
        }
    }
}

/// The webhook that a command is about.
struct OneWebhook: ParsableArguments {
    @Argument(help: ArgumentHelp("The last part of the webhook's address.", valueName: "slug"))
    var slug: String
    @OptionGroup var target: TargetOptions
}
