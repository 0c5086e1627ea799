import Foundation
import Testing

@testable import Agent
@testable import Gateway
@testable import Store

// Rows of providers, models and MCP servers for tests that ask every route.

extension TestGateway {
    static let somebody = Registry.Actor(name: "test")

    /// A provider and a model, each number 1, and an MCP server.
    func fillRegistry() async throws {
        let registry = try #require(configuration.registry)
        // Nobody listens on port 1.
        let (provider, _) = try await registry.addProvider(
            ProviderChange(name: "local", apiKey: "a key of the test", baseURL: "http://127.0.0.1:1"),
            by: Self.somebody)
        let model = try await registry.addModel(ModelChange(model: "small"), to: provider.id, by: Self.somebody)
        _ = try await registry.addMCP("files", MCPChange(command: .words(["true"])), by: Self.somebody)
        _ = try await configuration.approvals?.policies.set("vault_*", to: .ask, by: Self.somebody)
        #expect(provider.id == 1 && model.model.id == 1)
    }

    /// What a change of a route in ``AccessMatrixTests/table`` is about, after ``fillRegistry()``.
    static func registryRow(of route: String) -> String? {
        guard let path = route.split(separator: " ").last else { return nil }
        return switch path {
        case "/api/providers", "/api/models": "2"
        case "/api/mcps": "theirs"
        case _ where path.hasPrefix("/api/providers/") || path.hasPrefix("/api/models/"): "1"
        case _ where path.hasPrefix("/api/mcps/"): "files"
        case _ where path.hasPrefix("/api/tool-policies/"): "vault_*"
        default: nil
        }
    }
}

extension StringProtocol {
    /// A path with the rows of ``TestGateway/fillRegistry()`` in it.
    var namingRows: String {
        String(self).replacing("{provider}", with: "1").replacing("{model}", with: "1").replacing(
            "{name}", with: "files"
        ).replacing("{pattern}", with: "vault_*")
    }
}
