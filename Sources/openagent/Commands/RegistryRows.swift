internal import Foundation
internal import Wire

// Which row does somebody mean, and how is a long list read? By its number or by its name; page by page.

extension Administration {
    /// A list whole.
    ///
    /// - Parameter rows: takes the rows of a page, and gives the cursor of the next one.
    func pages<Page: Decodable & Sendable>(
        _ path: String, query: [(name: String, value: String?)] = [], as page: Page.Type,
        _ rows: (Page) -> String?
    ) async throws {
        var cursor: String?
        repeat {
            let path = Self.path(path, query: query + [("limit", "1000"), ("cursor", cursor)])
            cursor = rows(try await get(path, as: Page.self).value)
        } while cursor != nil
    }

    func change<Body: Decodable & Sendable>(
        _ path: String, to thing: some Encodable, as type: Body.Type = Body.self, hint: String? = nil
    ) async throws -> Answer<Body> {
        try await put(
            path, bytes: Array(try JSONEncoder().encode(thing)), type: "application/json", as: Body.self, hint: hint)
    }

    func providers() async throws -> [ProviderBody] {
        var all: [ProviderBody] = []
        try await pages(Providers.path, as: ProvidersBody.self) { page in
            all += page.providers
            return page.nextCursor
        }
        return all
    }

    func models(_ query: [(name: String, value: String?)] = []) async throws -> [ModelBody] {
        var all: [ModelBody] = []
        try await pages(Models.path, query: query, as: ModelsBody.self) { page in
            all += page.models
            return page.nextCursor
        }
        return all
    }

    /// The provider of this number or name.
    func provider(_ text: String) async throws -> ProviderBody {
        let all = try await providers()
        let matching = all.filter { "\($0.id)" == text || $0.name == text }
        guard let first = matching.first else {
            throw CommandError(.usage, "there is no provider '\(text)'", hint: Providers.hint)
        }
        guard matching.count == 1 else {
            throw CommandError(
                .usage, "there are several providers '\(text)'",
                hint: "name one by its number: \(matching.map { "\($0.id)" }.joined(separator: ", "))")
        }
        return first
    }

    /// The model of this number or runtime id.
    func model(_ text: String) async throws -> ModelBody {
        let matching = try await models().filter { "\($0.id)" == text || $0.runtimeID == text }
        guard let first = matching.first else {
            throw CommandError(.usage, "there is no model '\(text)'", hint: Models.hint)
        }
        guard matching.count == 1 else {
            throw CommandError(
                .usage, "there are several models '\(text)'",
                hint: "name one by its number: \(matching.map { "\($0.id)" }.joined(separator: ", "))")
        }
        return first
    }
}

/// A price as people read it.
func priceText(_ cost: Double?) -> String? { cost.map { "$\($0.formatted())" } }
