internal import GRDB

// How is the same question asked a thousand times a second? Compiled once by each connection: SQLite takes longer to read
// the text of these statements than to carry them out. For texts that never vary; GRDB's own functions do for the others.

extension GRDB.Database {
    /// Carries out one statement, as `execute(sql:arguments:)` does.
    func run(sql: String, arguments: StatementArguments) throws {
        try cachedStatement(sql: sql).execute(arguments: arguments)
    }

    /// Every row that the statement finds, read while SQLite has it at hand. Columns are best named by their position.
    func rows<T>(
        sql: String, arguments: StatementArguments, _ read: (Row) throws -> T
    ) throws -> [T] {
        let cursor = try Row.fetchCursor(cachedStatement(sql: sql), arguments: arguments)
        var found: [T] = []
        while let row = try cursor.next() { found.append(try read(row)) }
        return found
    }
}
