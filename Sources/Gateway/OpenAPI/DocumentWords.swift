internal import JSON
internal import Wire

// Which words does the document need besides those of the operations? What an area is, what stands in a path, what fields mean whose
// names don't say it, and what a request may look like. A test holds the words against the document, so none of them outlives its thing.

enum DocumentWords {
    /// Areas by the parts of paths that are not called so.
    static let areas = [
        "health": "agent", "openapi.json": "agent", "agent-info": "agent", "system": "agent", "restart": "agent",
        "events": "agent", "audit": "network", "ws": "sessions", "chat": "sessions", "upload": "files",
        "tts": "speech", "stt": "speech", "scheduled-tasks": "tasks", "cron": "tasks", "mcp-tools": "mcps",
        "approvals": "tools", "tool-policies": "tools",
        "mcp": "mcps", "workflow-runs": "workflows", "workflow-block-types": "workflows",
    ]

    /// What an area is about.
    static let tags = [
        "agent": "The agent itself: whether it lives, what it is, what changes in it",
        "backup": "Everything that the agent is, as one file",
        "bridges": "Chat platforms, and who may talk there",
        "config": "openagent.yaml, read and written",
        "files": "Files that users bring, and that the agent makes for them",
        "logs": "What happened in the agent",
        "mcps": "Servers of tools (Model Context Protocol)",
        "models": "The models of the providers",
        "network": "Users, devices, agents and invitations, and who changed what",
        "providers": "Who runs models, and with which key",
        "sessions": "Conversations: what is said in them, and what was",
        "speech": "Text to speech and speech to text",
        "tasks": "What the agent does at times",
        "tools": "What the agent's tools may do, and which calls wait for a user's word",
        "usage": "Tokens and cost, and the limits of a day",
        "vault": "The agent's notes: Markdown with links and tags",
        "webhooks": "Ways into workflows from outside",
        "whoami": "The caller, and the caller's own devices",
        "workflows": "Graphs of steps, and their runs",
    ]

    /// What stands in a path, by its name there.
    static let parts = [
        "handle": "The handle of a user or agent",
        "id": "As it stands in the list; of a task or workflow also its name",
        "key": "The device's key", "model": "The model's number", "name": "The server's name",
        "pattern": "A tool's full name, a beginning such as 'vault_*', or '*'",
        "path": "The note's path below the vault, its slashes as they are", "provider": "The provider's number",
        "code": "What somebody was told in a chat", "platform": "A chat platform",
        "section": "A key at the top of the configuration", "slug": "The last part of the webhook's address",
    ]

    /// What fields mean, by their names, which mean the same in every body.
    static let fields = [
        "api_key": "Written and never read; empty takes it away, and what an answer shows of it keeps it",
        "api_key_display": "What is shown of the key: '—' when there is none",
        "base_url": "http:// or https://; needed unless the vendor is known",
        "bind_to": "Only this user, agent or device key may use it",
        "catch_up": "What becomes of times that passed while the agent was off: 'skip' or 'once'",
        "cron_expression": "Five fields of cron, '@hourly', '@every 10m' or '@once:TIME'",
        "framework": "How the provider is reached; 'api-based' when absent",
        "hint": "What to do about it",
        "input_cost_per_million": "US dollars for a million tokens",
        "is_classifier": "It answers where no other model is chosen",
        "message_id": "Chosen by the client: a message with the same one never runs twice",
        "next": "'before' of the next page; null at the end",
        "next_cursor": "'cursor' of the next page; null at the end",
        "output_cost_per_million": "US dollars for a million tokens",
        "runtime_id": "The model's name for sessions: 'PROVIDER:MODEL'",
        "timezone": "A name such as Europe/Berlin",
        "ttl": "Seconds until it ends",
        "uses": "How often it can be used",
        "with_files": "Also the users' files; true when absent",
        "with_keys": "Also the agent's key; only for its operator",
    ]

    /// What a request may look like, by the operation's id.
    static let examples: [String: JSONValue] = [
        "put_api_tool_policies_pattern": ["rule": "ask"],
        "post_api_approvals_id": ["decision": "approve"],
        "post_mcp": ["jsonrpc": "2.0", "id": 1, "method": "tools/list"],
        "patch_api_config_section": ["file_size": 104_857_600],
        "patch_api_network_users_handle": ["role": "admin"],
        "patch_api_scheduled_tasks_id": ["enabled": false],
        "patch_api_sessions_id": ["title": "The router"],
        "post_api_backup": ["with_files": true],
        "post_api_chat": ["message": "Where is the router?", "session_id": "house"],
        "post_api_mcps": [
            "name": "files", "command": ["npx", "-y", "files-server"], "env": ["TOKEN": "${FILES_TOKEN}"],
        ],
        "post_api_models": ["provider_id": 1, "model": "small", "display_name": "Small"],
        "post_api_network_invitations": ["role": "user", "ttl": 3600, "uses": 1],
        "post_api_providers": ["name": "openrouter", "api_key": "${OPENROUTER_API_KEY}"],
        "post_api_providers_provider_test": ["model": "small"],
        "post_api_scheduled_tasks": [
            "name": "water", "cron_expression": "0 9 * * *", "timezone": "Europe/Berlin", "prompt": "Water the plants",
        ],
        "post_api_tts_synthesize": ["text": "Good morning"],
        "post_api_vault_move": ["from": "House/Router.md", "to": "Network/Router.md"],
        "post_api_whoami_invitations": ["label": "phone"],
        "post_api_workflows": [
            "name": "digest", "nodes": [["id": "start", "type": "trigger-manual"]], "edges": [],
        ],
        "put_api_sessions_id_pin": ["model": "openrouter:small"],
        "put_api_vault_notes_path": ["content": "In the [[Hall]]. #network"],
    ]

    /// A schema with what its fields mean.
    static func described(_ schema: JSONValue) -> JSONValue {
        switch schema {
        case .array(let items): return .array(items.map(described))
        case .object(var keywords):
            for (keyword, value) in keywords {
                guard keyword == "properties", case .object(let properties) = value else {
                    keywords[keyword] = described(value)
                    continue
                }
                keywords[keyword] = .object(
                    Dictionary(
                        properties.map { name, shape in (name, told(described(shape), name)) },
                        uniquingKeysWith: { first, _ in first }))
            }
            return .object(keywords)
        default: return schema
        }
    }

    private static func told(_ shape: JSONValue, _ name: String) -> JSONValue {
        guard case .object(var keywords) = shape else { return shape }
        let isNumber = keywords["type"] == "number" || keywords["anyOf"] == [["type": "number"], ["type": "null"]]
        guard let text = fields[name] ?? (isNumber && name.hasSuffix("_at") ? "Unix seconds" : nil) else {
            return shape
        }
        keywords["description"] = .string(text)
        return .object(keywords)
    }
}
