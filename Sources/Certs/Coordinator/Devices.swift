public import Store
public import Transport

// How is a device called, and how does it lose its place in the network? An admin may put out any device, a user their own.

/// What became of a revocation.
public enum RevocationResult: Sendable, Equatable {
    case revoked
    case alreadyRevoked
    /// There is no such device, or the caller may not know of it.
    case unknown
}

extension Coordinator {
    /// Every device of the network, oldest first; of one user when `handle` is given.
    public func devices(of handle: String? = nil) async throws -> [DeviceRecord] {
        try await repository.read { reader in
            if let handle { return try reader.devices(of: handle) }
            return try reader.devices()
        }
    }

    /// Puts a device out of the network, for good.
    public func revokeDevice(_ key: NodeID, by caller: Principal) async throws -> RevocationResult {
        do {
            let changed = try await administer("device.revoke", on: key.hex, by: caller, now: now()) {
                [roster] transaction in
                let device = try Self.device(key, for: caller, in: transaction)
                guard try transaction.revokeDevice(device.key) else { return false }
                transaction.afterCommit { roster.apply(.device(key, handle: device.handle, status: .revoked)) }
                return true
            }
            return changed ? .revoked : .alreadyRevoked
        } catch AdministrationError.unknownDevice {
            return .unknown
        }
    }

    /// Gives a device another name in lists; none when `label` is empty.
    ///
    /// - Throws: ``AdministrationError/unknownDevice``.
    public func renameDevice(_ key: NodeID, to label: String?, by caller: Principal) async throws {
        let label = Self.cleanLabel(label)
        _ = try await administer("device.rename", on: key.hex, by: caller, now: now()) { transaction in
            let device = try Self.device(key, for: caller, in: transaction)
            guard device.label != label else { return false }
            return try transaction.setDeviceLabel(label, of: device.key)
        }
    }

    private static func device(
        _ key: NodeID, for caller: Principal, in transaction: NetworkTransaction
    ) throws -> DeviceRecord {
        guard let device = try transaction.rows.device(key.bytes), caller.mayManage(device.handle) else {
            throw AdministrationError.unknownDevice
        }
        return device
    }

    /// Labels are shown in terminals, where control characters are commands. Nil when nothing is left.
    static func cleanLabel(_ label: String?) -> String? {
        let printable = (label ?? "").unicodeScalars.filter {
            $0.properties.generalCategory != .control && $0.properties.generalCategory != .format
        }
        // Code points, not letters: one letter may carry any number of marks.
        let text = String(String.UnicodeScalarView(printable.prefix(64)))
        return text.allSatisfy(\.isWhitespace) ? nil : text
    }
}
