internal import GRDB

// Why was something not written or read? SQLite has dozens of codes; whoever waits for an answer needs to know one of a few
// things: there is no room, nobody may write, somebody else writes, the disk fails, the file is damaged.

/// What is wrong with the database, in words for people.
public enum StorageFault: Error, Sendable, Equatable, CustomStringConvertible {
    case full
    case readOnly
    /// Another program holds the database for longer than the busy timeout.
    case busy
    case disk
    case damaged
    /// None of these; the log says more.
    case other

    /// Sorts an error that a repository threw.
    public init(_ error: any Error) {
        if let fault = error as? StorageFault {
            self = fault
            return
        }
        guard let error = error as? GRDB.DatabaseError else {
            self = .other
            return
        }
        self =
            switch error.resultCode {
            case .SQLITE_FULL: .full
            case .SQLITE_READONLY: .readOnly
            case .SQLITE_BUSY, .SQLITE_LOCKED: .busy
            case .SQLITE_IOERR, .SQLITE_CANTOPEN: .disk
            case .SQLITE_CORRUPT, .SQLITE_NOTADB: .damaged
            default: .other
            }
    }

    /// Whether the same write may succeed later without a repair.
    public var mayPass: Bool {
        switch self {
        case .full, .readOnly, .busy, .disk: true
        case .damaged, .other: false
        }
    }

    public var description: String {
        switch self {
        case .full: "the disk is full"
        case .readOnly: "the database is read-only"
        case .busy: "the database is locked by another program"
        case .disk: "the disk does not take or give what it should"
        case .damaged: "the database is damaged"
        case .other: "the database does not work"
        }
    }
}
