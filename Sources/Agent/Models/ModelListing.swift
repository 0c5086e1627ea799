internal import Foundation
internal import Store

// How is each kind of provider asked for its models, and what does its answer mean? Requests out, lists in; nothing is sent here. The
// key stands in a header and never in the address, which others log.

enum ModelListing {
    private static let mostModels = 5_000
    private static let longestName = 256

    static func request(_ api: Vendor.API, _ address: String, key: String?, _ timeLimit: Duration) -> OutboundRequest {
        var headers: [(name: String, value: String)] = [("Accept", "application/json")]
        if let key {
            switch api {
            case .openai, .ollama: headers.append(("Authorization", "Bearer \(key)"))
            case .anthropic: headers.append(("x-api-key", key))
            case .google: headers.append(("x-goog-api-key", key))
            }
        }
        if api == .anthropic { headers.append(("anthropic-version", "2023-06-01")) }
        return OutboundRequest(url: url(api, address), headers: headers, timeLimit: timeLimit)
    }

    private static func url(_ api: Vendor.API, _ address: String) -> String {
        let base = api.base(address)
        return switch api {
        case .openai: base + "/models"
        case .anthropic: base + "/models?limit=1000"
        case .google: base + "/models?pageSize=1000"
        case .ollama: base + "/api/tags"
        }
    }

    /// - Returns: nil when the answer is no list of models.
    static func models(_ api: Vendor.API, _ body: [UInt8]) -> [OfferedModels.Model]? {
        guard let document = try? JSONSerialization.jsonObject(with: Data(body)) else { return nil }
        let fields = document as? [String: Any]
        let rows: Any? =
            switch api {
            // Some that speak like OpenAI answer with a bare list.
            case .openai: fields?["data"] ?? document as? [Any]
            case .anthropic: fields?["data"]
            case .google, .ollama: fields?["models"]
            }
        guard let rows = rows as? [Any] else { return nil }
        var seen: Set<String> = []
        return rows.prefix(mostModels).compactMap { row -> OfferedModels.Model? in
            guard let row = row as? [String: Any],
                var id = row[api == .google || api == .ollama ? "name" : "id"] as? String
            else { return nil }
            if api == .google, id.hasPrefix("models/") { id.removeFirst("models/".count) }
            guard (try? RegistryRules.modelName(id)) != nil, seen.insert(id).inserted else { return nil }
            let name = (row["display_name"] ?? row["displayName"]) as? String
            return .init(id: id, displayName: name.flatMap(shown) ?? id, kind: kind(of: id))
        }
        .sorted { $0.id < $1.id }
    }

    private static func shown(_ name: String) -> String? {
        (try? RegistryRules.label(name, "display_name", longest: longestName)) ?? nil
    }

    /// Guessed from the name, as there is nothing else to go by.
    private static func kind(of id: String) -> ModelKind {
        let id = id.lowercased()
        if id.contains("whisper") || id.contains("transcribe") || id.hasPrefix("nova-") { return .stt }
        return id.contains("tts") || id.contains("eleven_") ? .tts : .llm
    }
}
