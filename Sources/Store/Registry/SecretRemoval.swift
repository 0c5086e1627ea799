internal import GRDB

// How does a copy of a database come to hold no secret of providers, MCP servers and webhooks? They are taken out of its rows and overwritten on
// its pages. References stay: they hold nothing secret.

extension DatabaseSnapshot {
    /// Takes keys, and the values of environments and headers, out of the copy at `path`.
    ///
    /// - Returns: how many rows had some.
    /// - Throws: ``StorageFault``
    public static func removeSecrets(from path: String) throws -> Int {
        do {
            let queue = try DatabaseQueue(path: path)
            defer { try? queue.close() }
            return try queue.inDatabase { connection in
                guard try connection.tableExists("providers"), try connection.tableExists("mcps") else { return 0 }
                // What is taken out is overwritten by zeros.
                _ = try String.fetchOne(connection, sql: "PRAGMA secure_delete = ON")
                // No copy of the pages lies on the disk meanwhile.
                _ = try String.fetchOne(connection, sql: "PRAGMA journal_mode = MEMORY")
                var count = 0
                try connection.inTransaction {
                    try connection.execute(
                        sql: "UPDATE providers SET api_key = NULL WHERE NOT (\(isReference("api_key")))")
                    count += connection.changesCount
                    for column in ["env_json", "headers_json"] {
                        try connection.execute(
                            sql: """
                                UPDATE mcps SET \(column) = (
                                    SELECT json_group_object(item.key, item.value) FROM json_each(mcps.\(column)) AS item
                                    WHERE \(isReference("item.value"))
                                ) WHERE EXISTS (
                                    SELECT 1 FROM json_each(mcps.\(column)) AS item WHERE NOT (\(isReference("item.value")))
                                )
                                """)
                        count += connection.changesCount
                    }
                    // A webhook without its secret is none.
                    if try connection.tableExists("webhooks") {
                        try connection.execute(sql: "DELETE FROM webhooks")
                        count += connection.changesCount
                    }
                    return .commit
                }
                return count
            }
        } catch { throw StorageFault(error) }
    }

    /// One reference and nothing else: it begins as one, and the only closing brace is at its end.
    private static func isReference(_ column: String) -> String {
        """
        (\(column) GLOB '${?*}' OR \(column) GLOB '{env:?*}' OR \(column) GLOB '{file:?*}')
        AND instr(\(column), '}') = length(\(column))
        """
    }
}
