internal import Foundation
public import Transport

// Which key has this agent? The one in its folder, made with the folder. A folder that has a database and no key has lost it:
// a new one in its place would be another node, which nobody knows and which could not read its own network.

extension AgentDirectory {
    /// The agent's key; makes it in a folder that holds no agent yet.
    ///
    /// - Throws: ``AgentIdentityError``, `SecretKeyError`.
    public func identity() throws -> SecretKey {
        do {
            return try SecretKey.load(path: identityKey)
        } catch SecretKeyError.notFound {
            guard !FileManager.default.fileExists(atPath: database) else {
                throw AgentIdentityError.lost(key: identityKey)
            }
            return try SecretKey.loadOrCreate(path: identityKey)
        }
    }
}

/// Why an agent cannot be who it was.
public enum AgentIdentityError: Error, Equatable, CustomStringConvertible {
    case lost(key: String)

    public var description: String {
        switch self {
        case .lost(let key):
            "\(key) is missing, and the database beside it belongs to it: restore it from a backup"
        }
    }
}
