internal import Store
public import Transport

// Can this device come into a network with what it has stored? One answer for every command that asks: the certificate, or
// what is wrong with it. It looks at files only; whether the network still wants the device is the coordinator's answer.

/// What this device has to show in a network.
public enum StoredCredential: Sendable, Equatable {
    /// It counts now; ``DeviceCertificate/renewalDueAt`` tells until when nobody needs to think about it.
    case usable(DeviceCertificate)
    case missing
    /// There is a file, and it is no certificate of the network's coordinator.
    case damaged(CertificateError)
    /// It was issued for another key than this device has now.
    case otherKey
    /// It is another network's or another user's.
    case foreign
    case expired(DeviceCertificate)
    /// It begins later than this device's clock says: one of the two clocks is wrong.
    case notYetValid(DeviceCertificate)

    /// The certificate, if it counts now.
    public var certificate: DeviceCertificate? {
        if case .usable(let certificate) = self { certificate } else { nil }
    }
}

extension ClientHome {
    /// What is stored for `network`.
    ///
    /// - Parameters:
    ///   - device: this device's key.
    ///   - now: Unix seconds.
    ///   - asBridge: the certificate with which the device is a bridge.
    /// - Throws: `PrivateFileError` when the file is there and cannot be read.
    public func credential(
        for network: JoinedNetwork, device: NodeID, now: Double, asBridge: Bool = false
    ) throws -> StoredCredential {
        let certificate: DeviceCertificate
        do {
            guard let stored = try self.certificate(for: network, asBridge: asBridge) else { return .missing }
            guard stored.isOfBridge == asBridge else { return .foreign }
            certificate = stored
        } catch let error as CertificateError {
            return .damaged(error)
        }
        guard certificate.handle.utf8.elementsEqual(network.handle.utf8) else { return .foreign }
        do {
            try certificate.check(now: now, networkID: network.networkID, peer: device)
            return .usable(certificate)
        } catch {
            return switch error {
            // The key is looked at first: a new certificate for the old key would help nobody.
            case _ where certificate.deviceKey != device: .otherKey
            case .expired: .expired(certificate)
            case .notYetValid: .notYetValid(certificate)
            case .otherNetwork: .foreign
            default: .damaged(error)
            }
        }
    }
}
