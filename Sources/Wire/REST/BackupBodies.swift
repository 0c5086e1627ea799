// What is asked for with a backup?

/// `POST /api/backup`
public struct NewBackup: Codable, Sendable, Equatable {
    /// With the agent's key; only for its operator. Left out: without.
    public var withKeys: Bool?
    /// With the files of users and answers. Left out: with them.
    public var withFiles: Bool?

    public init(withKeys: Bool? = nil, withFiles: Bool? = nil) {
        self.withKeys = withKeys
        self.withFiles = withFiles
    }

    private enum CodingKeys: String, CodingKey {
        case withKeys = "with_keys"
        case withFiles = "with_files"
    }
}
