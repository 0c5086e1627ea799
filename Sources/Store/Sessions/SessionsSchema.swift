internal import GRDB

extension DatabaseMigrator {
    /// Tables of session state.
    mutating func registerSessionsTables() {}
}
