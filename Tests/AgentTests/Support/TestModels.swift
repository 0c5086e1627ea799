import Synchronization
import TestProviders

@testable import Agent
@testable import Store

// What tests of models share: rows, a factory, and what was told.

/// Rows of providers as tests want them.
enum TestRow {
    static let key = "sk-canary-0123456789abcdef"

    static func model(
        _ name: String, _ address: String?, key: String? = TestRow.key, model: String = "fake",
        framework: String = "api-based", metadata: String = "{}"
    ) -> ModelOfProvider {
        ModelOfProvider(
            model: ModelRecord(id: 1, providerID: 1, model: model, kind: .llm, createdAt: 0, updatedAt: 0),
            provider: ProviderRecord(
                id: 1, name: name, framework: framework, kind: .llm, apiKey: key.map(Secret.init), baseURL: address,
                metadata: metadata, createdAt: 0, updatedAt: 0))
    }

    static func factory(_ http: any OutboundHTTP = NetworkHTTP(), folder: String = "/nonexistent/x") -> ModelFactory {
        let ids = Counter()
        return ModelFactory(
            http: http, folder: folder, now: { 1_700_000_000 }, makeID: { "\(ids.next())" }, reveal: { $0.revealed })
    }
}

final class Counter: Sendable {
    private let value = Mutex(0)
    func next() -> Int {
        value.withLock { value in
            value += 1; return value
        }
    }
}

/// Pieces of text in the order in which they came.
final class Told: Sendable {
    private let pieces = Mutex<[String]>([])
    var all: [String] { pieces.withLock { $0 } }
    var text: String { all.joined() }
    var tell: @Sendable (String) async -> Void { { piece in self.pieces.withLock { $0.append(piece) } } }
}

private struct TooLate: Error { var what: String }

/// Fails when `body` does not end in time.
func soon<T: Sendable>(
    _ seconds: Double, _ what: String, _ body: @escaping @Sendable () async throws -> T
) async throws -> T {
    return try await withThrowingTaskGroup(of: T.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: .seconds(seconds))
            throw TooLate(what: what)
        }
        defer { group.cancelAll() }
        guard let value = try await group.next() else { throw CancellationError() }
        return value
    }
}
