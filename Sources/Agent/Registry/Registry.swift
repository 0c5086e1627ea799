public import Store

// What stands in the registry, and which rules hold when it is changed? Providers, models and MCP servers, over their rows. Each
// change is one transaction with its line in the audit table, and is told to whoever runs what it is about. It runs nothing
// itself and speaks to nobody. The rules of each kind are in the files beside it.

/// Providers, models and MCP servers of one agent.
public struct Registry: Sendable {
    /// Who makes a change, for the audit table.
    public struct Actor: Sendable {
        public var name: String
        /// The key of the device that it comes from.
        public var device: [UInt8]?

        public init(name: String, device: [UInt8]? = nil) {
            self.name = name
            self.device = device
        }
    }

    /// Tells that rows have changed.
    public let changes = RegistryChanges()
    /// Asks providers what they have.
    public let discovery: ModelDiscovery

    let repository: RegistryRepository
    let now: @Sendable () -> Double
    private let resolve: @Sendable (String) throws -> String

    /// - Parameters:
    ///   - http: how providers are asked.
    ///   - resolve: puts in what references such as `{env:NAME}` stand for; its error names the reference and no value.
    ///   - now: Unix seconds.
    public init(
        _ repository: RegistryRepository, http: any OutboundHTTP, now: @escaping @Sendable () -> Double,
        resolve: @escaping @Sendable (String) throws -> String
    ) {
        self.repository = repository
        self.now = now
        self.resolve = resolve
        discovery = ModelDiscovery(http: http, now: now, lists: repository, resolve: resolve)
    }

    /// The text of a secret, for whoever it is for and nobody else.
    ///
    /// - Throws: what a reference that leads nowhere is called.
    public func reveal(_ secret: Secret) throws -> String { try resolve(secret.revealed) }

    // MARK: For the kinds

    /// Carries out a change, notes it and tells of it.
    func change<Row: Sendable>(
        _ action: String, by actor: Actor, _ resources: Set<RegistryResource>,
        _ body: @escaping @Sendable (RegistryTransaction, _ now: Double) throws -> (row: Row, subject: String)
    ) async throws -> Row {
        let now = now()
        let row = try await repository.write { transaction in
            let (row, subject) = try body(transaction, now)
            try transaction.audit(
                AuditRecord(
                    at: now, actor: actor.name, actorDevice: actor.device, action: action,
                    subject: String(subject.prefix(128))))
            return row
        }
        changes.tell(resources)
        return row
    }

    /// The vendors whose address is known by their name.
    public static var vendors: [String] { Vendor.known.map(\.name) }

    /// What a field of secrets becomes: markers keep what is stored, references and new values take its place.
    static func merge(
        _ wanted: [String: String], into stored: [String: Secret], _ field: String, oneLine: Bool
    ) throws(RegistryError) -> [String: Secret] {
        var merged: [String: Secret] = [:]
        for (name, text) in wanted {
            if Secret.isDisplay(text) {
                guard text == Secret.marker, let kept = stored[name] else {
                    throw .invalid(
                        "'\(field)' has a marker for \(name), and nothing is stored there.",
                        hint: "Send the value, or leave it out.")
                }
                merged[name] = kept
            } else {
                merged[name] = try RegistryRules.variable(text, field, oneLine: oneLine)
            }
        }
        return merged
    }
}
