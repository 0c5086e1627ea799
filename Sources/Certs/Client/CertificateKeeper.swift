internal import Synchronization
internal import Transport

// Who sees to it that this device's certificate does not run out? The keeper has the newest one at hand for every stream,
// renews it from half of its life on, and puts up with a coordinator that is away for as long as the old one counts.

/// What came of looking after a certificate.
public enum RenewalOutcome: Sendable {
    case notDue
    case renewed
    /// The old one goes on counting until it expires.
    case failed(any Error)
}

/// The certificate of this device in one network, kept fresh.
public final class CertificateKeeper: Sendable {
    /// Seconds after which a keeper looks at the clock again, however far the next renewal is: machines sleep.
    private static let longestPause: Double = 3_600
    /// Seconds until the next attempt after a failed one, before chance is added.
    private static let retry: Double = 300

    private let certificate: Mutex<DeviceCertificate>
    private let home: ClientHome
    private let network: JoinedNetwork
    private let now: @Sendable () -> Double

    /// - Parameters:
    ///   - certificate: one of this device in `network` that counts.
    ///   - now: Unix seconds.
    public init(
        _ certificate: DeviceCertificate, of network: JoinedNetwork, home: ClientHome,
        now: @escaping @Sendable () -> Double
    ) {
        self.certificate = Mutex(certificate)
        self.network = network
        self.home = home
        self.now = now
    }

    /// The newest certificate.
    public var current: DeviceCertificate { certificate.withLock { $0 } }

    /// Renews the certificate if it is half over. Another program of this user may have done it already: then that one is
    /// taken from its file.
    ///
    /// - Returns: a failure instead of throwing it, because the old certificate still counts.
    public func renewIfDue(through coordinator: some CoordinatorReach) async -> RenewalOutcome {
        guard now() >= current.renewalDueAt else { return .notDue }
        let (device, asBridge) = (current.deviceKey, current.isOfBridge)
        if let stored = try? home.credential(for: network, device: device, now: now(), asBridge: asBridge)
            .certificate,
            stored.issuedAt > current.issuedAt
        {
            certificate.withLock { $0 = stored }
            if now() < stored.renewalDueAt { return .renewed }
        }
        do {
            let old = current
            let fresh = try await coordinator.withCoordinator { try await $0.renew(old) }
            try fresh.check(now: now(), networkID: network.networkID, peer: device)
            guard fresh.handle.utf8.elementsEqual(network.handle.utf8) else { throw JoinError.otherHandle }
            certificate.withLock { $0 = fresh }
            _ = try home.store(fresh)
            return .renewed
        } catch {
            return .failed(error)
        }
    }

    /// Renews whenever it is due, until the task is cancelled.
    ///
    /// - Parameters:
    ///   - onFailure: told of each attempt that failed.
    ///   - pause: waits this many seconds; throws when the task is cancelled.
    public func run(
        through coordinator: some CoordinatorReach, onFailure: @Sendable (any Error) -> Void,
        pause: @Sendable (Double) async throws -> Void = { try await Task.sleep(for: .seconds($0)) }
    ) async {
        while !Task.isCancelled {
            var wait: Double
            switch await renewIfDue(through: coordinator) {
            case .notDue, .renewed: wait = max(1, current.renewalDueAt - now())
            case .failed(let error):
                if Task.isCancelled { return }
                onFailure(error)
                // Many devices that lost their coordinator together shall not come back together.
                wait = Self.retry * .random(in: 1..<2)
            }
            wait = min(wait, Self.longestPause)
            do { try await pause(wait) } catch { return }
        }
    }
}
