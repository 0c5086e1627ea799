internal import GRDB

// Which row is meant? Tasks and workflows are named by their id, the beginning of it, or their name; and a page of them ends
// before it gets too large.

/// What somebody's word for a task or workflow stands for.
public enum PlanMatch: Sendable, Equatable {
    /// The id of the only one.
    case one(String)
    case none
    /// The names of those whose ids begin so, up to ten.
    case several([String])
}

/// Why a task or workflow was not written.
public enum PlanStorageError: Error, Equatable {
    /// Another one is called so.
    case nameTaken(String)
    /// There are as many as there may be.
    case tooMany(Int)
    /// It runs already.
    case running
}

/// Rows of a page, and one more if there are more.
public struct PlanRows<Row: Sendable>: Sendable {
    public var rows: [Row]
    /// The page ends where the last row but one does, for its size.
    public var isCut: Bool
}

/// What the tables of tasks and workflows have in common.
enum PlanTable: String {
    case tasks = "scheduled_tasks"
    case workflows

    /// Characters of an id that are enough to ask by.
    private static let shortest = 4

    func match(_ reference: String, in connection: GRDB.Database) throws -> PlanMatch {
        // SQLite would compare what stands before it.
        guard !reference.utf8.contains(0) else { return .none }
        for column in ["id", "name"] {
            let id = try String.fetchOne(
                connection, sql: "SELECT id FROM \(rawValue) WHERE \(column) = ?", arguments: [reference])
            if let id { return .one(id) }
        }
        // Characters that mean something in a pattern are in no id.
        guard reference.utf8.count >= Self.shortest, reference.utf8.count <= 64,
            reference.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") })
        else { return .none }
        let rows = try Row.fetchAll(
            connection, sql: "SELECT id, name FROM \(rawValue) WHERE id GLOB ? ORDER BY name LIMIT 10",
            arguments: [reference.lowercased() + "*"])
        return switch rows.count {
        case 0: .none
        case 1: .one(rows[0]["id"])
        default: .several(rows.map { $0["name"] })
        }
    }

    /// - Throws: ``PlanStorageError/nameTaken(_:)`` when another row than `id` is called so.
    func require(_ name: String, for id: String, in connection: GRDB.Database) throws {
        let other = try String.fetchOne(
            connection, sql: "SELECT id FROM \(rawValue) WHERE name = ? AND id <> ?", arguments: [name, id])
        if other != nil { throw PlanStorageError.nameTaken(name) }
    }

    func delete(_ id: String, in connection: GRDB.Database) throws -> Bool {
        try connection.execute(sql: "DELETE FROM \(rawValue) WHERE id = ?", arguments: [id])
        return connection.changesCount > 0
    }

    /// Reads rows until there are `limit` + 1, or until the last but one reaches `bytes`.
    static func page<T>(
        _ connection: GRDB.Database, sql: String, arguments: StatementArguments, limit: Int, bytes: Int,
        _ read: (Row) throws -> (T, Int)
    ) throws -> PlanRows<T> {
        let cursor = try Row.fetchCursor(connection, sql: sql, arguments: arguments)
        var page = PlanRows<T>(rows: [], isCut: false)
        var total = 0
        while page.rows.count <= limit, let row = try cursor.next() {
            page.isCut = total >= bytes
            let (value, size) = try read(row)
            page.rows.append(value)
            total += size
            if page.isCut { break }
        }
        return page
    }
}
