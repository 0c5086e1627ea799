internal import GRDB

extension DatabaseMigrator {
    /// Tables of network state.
    mutating func registerNetworkTables() {}
}
