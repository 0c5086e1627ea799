internal import GRDB

// How are network rows read and changed? In transactions: the rules (in another module) run inside the closure and see
// rows in domain terms; when the closure throws, nothing has happened. No SQL and no GRDB type is visible outside.

/// Network state of one agent.
public struct NetworkRepository: Sendable {
    private let database: Database

    public init(_ database: Database) { self.database = database }

    /// Runs `body` in a write transaction: all of its changes are committed and durable on return, or none when it
    /// throws. Write transactions run one after another.
    public func write<T: Sendable>(_ body: @escaping @Sendable (NetworkTransaction) throws -> T) async throws -> T {
        try await database.pool.write { try body(NetworkTransaction($0)) }
    }

    /// As the asynchronous form; for starting up, before anything else runs.
    @_disfavoredOverload
    public func write<T>(_ body: (NetworkTransaction) throws -> T) throws -> T {
        try database.pool.write { try body(NetworkTransaction($0)) }
    }

    /// Runs `body` on one consistent snapshot.
    public func read<T: Sendable>(_ body: @escaping @Sendable (NetworkReader) throws -> T) async throws -> T {
        try await database.pool.read { try body(NetworkReader($0)) }
    }

    /// As the asynchronous form; for starting up.
    @_disfavoredOverload
    public func read<T>(_ body: (NetworkReader) throws -> T) throws -> T {
        try database.pool.read { try body(NetworkReader($0)) }
    }
}
