internal import Agent
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import JSON
internal import Store
internal import Wire

// What have the routes of providers, models and MCP servers in common? How they find what they are about, how a refusal is told, and how
// free JSON gets into a row and out of it.

enum RegistryRoutes {
    static func present(_ registry: Registry?) throws(ErrorResponse) -> Registry {
        guard let registry else {
            throw ErrorResponse(
                status: .serviceUnavailable, code: .unavailable, message: "This agent keeps no models.")
        }
        return registry
    }

    /// Runs `body`, and says what was wrong in the words of the protocol.
    static func answering<Value>(_ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch let error as RegistryError {
            throw ErrorResponse(error)
        } catch let error as DiscoveryError {
            throw ErrorResponse(error)
        }
    }

    /// An object that nobody decides the shape of, as text for a row.
    static func text(_ object: [String: JSONValue]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(object), as: UTF8.self)
    }

    static func object(_ text: String) -> [String: JSONValue] {
        (try? JSONDecoder().decode([String: JSONValue].self, from: Data(text.utf8))) ?? [:]
    }
}

extension GatewayContext {
    /// A part of the path that is the number of a row; anything else is the path of nothing.
    func rowNumber(_ name: String) throws(ErrorResponse) -> Int64 {
        let text = try pathPart(name)
        guard text.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int64(text) else { throw .notFound }
        return number
    }
}

extension Caller {
    /// Whom the audit table names.
    var actor: Registry.Actor {
        Registry.Actor(name: principal.auditName, device: isOperator ? nil : device.bytes)
    }
}

extension ErrorResponse {
    /// Why a change was refused.
    init(_ error: RegistryError) {
        let (status, code): (HTTPResponse.Status, ErrorCode) =
            switch error {
            case .invalid: (.badRequest, .invalid)
            case .notFound: (.notFound, .notFound)
            case .conflict: (.conflict, .conflict)
            }
        self.init(status: status, code: code, message: error.description, hint: error.hint)
    }

    /// Why a provider's models are not known.
    init(_ error: DiscoveryError) {
        let (status, code, hint): (HTTPResponse.Status, ErrorCode, String) =
            switch error {
            case .unknownVendor: (.badRequest, .invalid, "Give the provider a base_url that speaks like OpenAI.")
            case .noKey: (.preconditionFailed, .notConfigured, "Set one with: openagent providers update")
            case .reference:
                (.preconditionFailed, .notConfigured, "Set what it refers to where the agent runs, and restart it.")
            case .timedOut: (.gatewayTimeout, .timedOut, "Try again, or look at the provider's base_url.")
            case .answered(_, 401), .answered(_, 403):
                (.badGateway, .upstreamFailed, "Set another key with: openagent providers update")
            case .unreachable, .tooLarge, .garbage, .answered:
                (.badGateway, .upstreamFailed, "Look at the provider's base_url, or try again later.")
            }
        self.init(status: status, code: code, message: error.description, hint: hint)
    }
}
