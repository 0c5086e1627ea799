public import NIOCore
public import Transport

// Why does this device not get into its network? The doctor looks at the key, the certificate, the way to the coordinator,
// the clocks, the coordinator's word about this device, and the way to the agent, in the order in which one spoils the next.
// It changes nothing but what is plainly better: an address that works is remembered, a certificate that is due is renewed.
//
//   key ─▶ certificate ─▶ coordinator answers? ─▶ same network? ─▶ clocks ─▶ standing ─▶ agents' gateways

/// Examines one joined network at a time.
public struct NetworkDoctor: Sendable {
    /// Seconds by which the two clocks may differ before the doctor mentions it.
    static let clockTolerance: Double = 60

    let home: ClientHome
    let now: @Sendable () -> Double
    /// Makes an endpoint with a key. The doctor closes it.
    let bind: @Sendable (SecretKey) async throws -> Endpoint
    /// Where a node listens if it runs on this machine.
    let nearby: @Sendable (NodeID) -> [SocketAddress]
    /// For one dial, and for one call.
    let timeout: Duration

    /// - Parameters:
    ///   - now: Unix seconds.
    ///   - bind: makes an endpoint with this key; the doctor closes it.
    ///   - nearby: where a node listens if it runs on this machine.
    ///   - timeout: for each dial and each call.
    public init(
        home: ClientHome, now: @escaping @Sendable () -> Double,
        bind: @escaping @Sendable (SecretKey) async throws -> Endpoint,
        nearby: @escaping @Sendable (NodeID) -> [SocketAddress] = { _ in [] }, timeout: Duration = .seconds(5)
    ) {
        self.home = home
        self.now = now
        self.bind = bind
        self.nearby = nearby
        self.timeout = timeout
    }

    /// What to say when nothing is joined.
    public static let noNetwork = Diagnosis(
        network: nil, coordinatorAddress: nil,
        findings: [
            .problem(
                .noNetwork, "this device has joined no network yet",
                fix: "openagent join oa1… (a ticket, from whoever runs the network)")
        ])

    /// Examines the way to one network.
    ///
    /// - Parameters:
    ///   - place: the network; when an agent is named, its gateway is part of the question.
    ///   - address: another address at which the coordinator may be; it is remembered when it answers there.
    /// - Throws: when this device's own files cannot be read or no socket can be opened. What is wrong elsewhere is a
    ///   finding.
    public func examine(_ place: NetworkPlace, address: SocketAddress? = nil) async throws -> Diagnosis {
        var visit = Visit(place: place, address: address)
        let key = examineKey(&visit)
        // The way to the coordinator can be examined without this device's key.
        let endpoint = try await bind(key ?? SecretKey())
        do {
            try await examine(&visit, key: key, endpoint: endpoint)
        } catch {
            await endpoint.close()
            throw error
        }
        await endpoint.close()
        return Diagnosis(
            network: place.displayName, coordinatorAddress: visit.reached,
            findings: visit.findings.filter(\.isProblem) + visit.findings.filter { !$0.isProblem })
    }

    /// What is known so far.
    struct Visit {
        var place: NetworkPlace
        var address: SocketAddress?
        var findings: [Finding] = []
        var reached: String?
        /// Seconds by which the coordinator's clock is ahead of ours.
        var clockOffset: Double = 0

        var network: JoinedNetwork { place.network }
        var name: String { place.network.displayName }
    }

    private func examine(_ visit: inout Visit, key: SecretKey?, endpoint: Endpoint) async throws {
        guard let connection = try await reach(&visit, endpoint: endpoint) else {
            if let key { try examineCertificate(&visit, device: key.nodeID, now: now()) }
            return
        }
        defer { connection.close() }
        let client = CoordinatorClient(connection: connection, timeout: timeout)
        guard await examineNetwork(&visit, client: client) else { return }
        guard let key else { return }
        // By the coordinator's clock: where only ours is wrong, nothing is wrong with the certificate.
        let truth = now() + visit.clockOffset
        guard let certificate = try examineCertificate(&visit, device: key.nodeID, now: truth) else { return }
        guard await examineStanding(&visit, certificate, client: client, now: truth) else { return }
        await examineAgents(&visit, client: client, endpoint: endpoint)
    }

    // MARK: This device

    private func examineKey(_ visit: inout Visit) -> SecretKey? {
        let path = home.identityPath
        do throws(SecretKeyError) { return try SecretKey.load(path: path) } catch {
            let finding: Finding =
                switch error {
                case .notFound:
                    .problem(
                        .keyMissing,
                        "this device's key, \(path), is gone: the network does not know this device any more",
                        fix: Self.newDevice)
                case .readableByOthers(_, let mode):
                    .problem(
                        .keyReadableByOthers,
                        "this device's key can be read by others (mode \(String(mode, radix: 8))), so it is not used",
                        fix: "chmod 600 \(path)")
                case .wrongLength, .file:
                    .problem(
                        .keyDamaged, "this device's key cannot be used: \(error)", fix: "openagent join oa1… --new-key")
                }
            visit.findings.append(finding)
            return nil
        }
    }

    static let newDevice =
        "openagent devices invite (on another device of yours), then here: openagent join oa1…"

    /// - Returns: the certificate, if it counts at `now`.
    @discardableResult
    private func examineCertificate(
        _ visit: inout Visit, device: NodeID, now: Double
    ) throws -> DeviceCertificate? {
        let login = "openagent connect \(visit.name)"
        let finding: Finding
        switch try home.credential(for: visit.network, device: device, now: now) {
        case .usable(let certificate): return certificate
        case .missing:
            finding = .problem(.noCertificate, "this device has no certificate for \(visit.name)", fix: login)
        case .damaged(let error):
            finding = .problem(.certificateDamaged, "the stored certificate cannot be used: \(error)", fix: login)
        case .otherKey:
            finding = .problem(
                .certificateOfAnotherKey,
                "the stored certificate is of another key than this device has now: the network does not know it yet",
                fix: Self.newDevice)
        case .foreign:
            finding = .problem(
                .certificateOfAnotherNetwork, "the stored certificate is another network's or another user's",
                fix: login
            )
        case .expired:
            finding = .problem(.expired, "this device's certificate has expired", fix: login)
        case .notYetValid(let certificate):
            let seconds = Int((certificate.issuedAt - now).rounded(.up))
            finding = .problem(
                .certificateNotYetValid,
                "this device's certificate begins in \(seconds) s by this clock: this clock is slow, or the coordinator's "
                    + "was fast", fix: "timedatectl set-ntp true (then: \(login))")
        }
        visit.findings.append(finding)
        return nil
    }
}
