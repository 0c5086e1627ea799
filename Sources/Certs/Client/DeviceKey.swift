internal import Foundation
internal import Glibc
internal import Store
public import Transport

// How does a device get another key? Only on purpose, and only once the network has taken the new one: the key is made
// beside the old one, joins, and then takes its place. Whatever interrupts that, the same command goes on with the same key.
//
//   identity.key.new ──join, certificate and row stored──▶ identity.key ─▶ (the old one) identity.key.revoked-2026-11-21

extension ClientHome {
    /// The file of a key that has not taken its place yet.
    public var pendingIdentityPath: String { identityPath + ".new" }

    /// The key that is to replace this device's; made on the first use and the same until ``adoptPendingIdentity(now:)``.
    public func pendingIdentity() throws(SecretKeyError) -> SecretKey {
        try SecretKey.loadOrCreate(path: pendingIdentityPath)
    }

    /// Puts the pending key in the place of this device's. The old one is kept beside it under a name with the date:
    /// other networks may know it.
    ///
    /// - Parameter now: Unix seconds.
    /// - Returns: where the old key is now; nil when there was none.
    /// - Throws: `PrivateFileError`, and then the old key is still in its place.
    public func adoptPendingIdentity(now: Double) throws -> String? {
        try PrivateFile.withLock(identityPath) {
            let kept = try keepIdentity(day: Self.day(now))
            guard rename(pendingIdentityPath, identityPath) == 0 else {
                throw PrivateFileError(path: identityPath, operation: "replace", code: errno)
            }
            return kept
        }
    }

    /// Forgets a pending key that the network will not take: the next one is another.
    public func discardPendingIdentity() { unlink(pendingIdentityPath) }

    /// Gives the file of the current key a second name; at no instant is there no key.
    private func keepIdentity(day: String) throws -> String? {
        for number in 1...1_000 {
            let kept = identityPath + ".revoked-" + day + (number == 1 ? "" : "-\(number)")
            if link(identityPath, kept) == 0 { return kept }
            switch errno {
            case ENOENT: return nil
            case EEXIST: continue
            case let code: throw PrivateFileError(path: kept, operation: "create", code: code)
            }
        }
        throw PrivateFileError(path: identityPath, operation: "keep a copy of", code: EEXIST)
    }

    private static func day(_ now: Double) -> String {
        Date(timeIntervalSince1970: now).formatted(.iso8601.year().month().day())
    }
}
