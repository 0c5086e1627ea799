internal import Foundation
public import Store

// Which models does a provider have? It is asked itself, with its key, and its list is kept for ten minutes, and beyond a restart. A
// list that was good is never replaced by an empty one or by a failure. What a provider answers is data of a stranger: it is bounded, checked
// and never shown as it is.

/// What a provider offers.
public struct OfferedModels: Sendable, Equatable {
    public struct Model: Sendable, Equatable, Codable {
        /// As the provider calls it.
        public var id: String
        public var displayName: String
        public var kind: ModelKind
    }

    public var models: [Model]
    /// The provider could not be asked again; this is what it said before.
    public var isStale: Bool
    /// Unix seconds.
    public var fetchedAt: Double
}

/// Asks providers for their models.
public actor ModelDiscovery {
    /// How long a list is shown without asking again, in seconds.
    static let freshness: Double = 600
    /// For a provider whose list is known.
    private static let shortTime = Duration.seconds(2)

    private struct Known {
        /// Of the provider's row: another key or address makes it another list.
        var version: Double
        var offered: OfferedModels
    }

    private let http: any OutboundHTTP
    private let now: @Sendable () -> Double
    private let resolve: @Sendable (String) throws -> String
    private let timeLimit: Duration
    private let lists: RegistryRepository?
    private var known: [Int64: Known] = [:]
    private var hasLoaded = false
    /// What was found on this machine and is nobody's row yet.
    private(set) var found: [FoundProvider] = []
    private(set) var isLoading = false

    /// - Parameters:
    ///   - lists: where good lists outlive a restart; nil when they don't.
    ///   - timeLimit: for one provider.
    init(
        http: any OutboundHTTP, now: @escaping @Sendable () -> Double, lists: RegistryRepository? = nil,
        resolve: @escaping @Sendable (String) throws -> String, timeLimit: Duration = .seconds(10)
    ) {
        self.http = http
        self.now = now
        self.lists = lists
        self.resolve = resolve
        self.timeLimit = timeLimit
    }

    /// Everything that is known of these providers; nobody is asked.
    ///
    /// - Returns: the lists by the providers' ids, what was found on this machine, and whether more may come soon.
    public func overview(
        _ providers: [ProviderRecord]
    ) async -> (lists: [Int64: OfferedModels], found: [FoundProvider], isLoading: Bool) {
        await load()
        let lists = providers.compactMap { provider in known(of: provider).map { (provider.id, $0) } }
        let origins = Set(providers.compactMap { Vendor.of($0)?.address.map(RegistryRules.origin) })
        let names = Set(providers.map(\.name))
        return (
            Dictionary(uniqueKeysWithValues: lists),
            found.filter { !names.contains($0.name) && !origins.contains($0.address.map(RegistryRules.origin) ?? "") },
            isLoading
        )
    }

    /// For whoever looks in the background.
    func show(found: [FoundProvider]? = nil, isLoading: Bool) {
        if let found { self.found = found }
        self.isLoading = isLoading
    }

    private func known(of provider: ProviderRecord) -> OfferedModels? {
        guard let known = known[provider.id], known.version == provider.updatedAt else { return nil }
        guard (0..<Self.freshness).contains(now() - known.offered.fetchedAt) else { return Self.stale(known.offered) }
        return known.offered
    }

    /// What an earlier process knew. A list that can't be read is one that is not there.
    private func load() async {
        guard !hasLoaded, let lists, let rows = try? await lists.read({ try $0.modelLists() }), !hasLoaded else {
            return
        }
        hasLoaded = true
        for row in rows where known[row.providerID] == nil {
            guard let models = try? JSONDecoder().decode([OfferedModels.Model].self, from: Data(row.models.utf8)) else {
                continue
            }
            let offered = OfferedModels(models: models, isStale: false, fetchedAt: row.fetchedAt)
            known[row.providerID] = Known(version: row.version, offered: offered)
        }
    }

    private func keep(_ offered: OfferedModels, of provider: ProviderRecord) async {
        known[provider.id] = Known(version: provider.updatedAt, offered: offered)
        guard let lists, let data = try? JSONEncoder().encode(offered.models) else { return }
        let row = ModelListRecord(
            providerID: provider.id, version: provider.updatedAt, models: String(decoding: data, as: UTF8.self),
            fetchedAt: offered.fetchedAt)
        // Without it the provider is asked again after a restart, and that is all.
        try? await lists.write { try $0.put(row) }
    }

    /// The provider's models, asked for at most every ten minutes.
    ///
    /// - Throws: ``DiscoveryError`` when it can't be asked and never answered before.
    public func models(of provider: ProviderRecord) async throws -> OfferedModels {
        await load()
        let earlier = known(of: provider)
        if let earlier, !earlier.isStale { return earlier }
        do {
            // Whoever has something to show does not wait for long.
            let models = try await ask(provider, within: earlier == nil ? timeLimit : min(timeLimit, Self.shortTime))
            guard !models.isEmpty else {
                if let earlier { return earlier }
                return OfferedModels(models: [], isStale: false, fetchedAt: now())
            }
            let offered = OfferedModels(models: models, isStale: false, fetchedAt: now())
            await keep(offered, of: provider)
            return offered
        } catch let error as DiscoveryError {
            guard let earlier else { throw error }
            return earlier
        }
    }

    /// Asks now, whatever is known: whether the key works.
    ///
    /// - Throws: ``DiscoveryError``
    public func ask(_ provider: ProviderRecord) async throws -> [OfferedModels.Model] {
        try await ask(provider, within: timeLimit)
    }

    private func ask(_ provider: ProviderRecord, within timeLimit: Duration) async throws -> [OfferedModels.Model] {
        guard !AgentProgram.isProgram(provider), let vendor = Vendor.of(provider), let address = vendor.address else {
            throw DiscoveryError.unknownVendor(provider.name)
        }
        var key: String?
        if let secret = provider.apiKey {
            do { key = try resolve(secret.revealed) } catch {
                throw DiscoveryError.reference(provider.name, secret.isReference ? "\(error)" : "it can't be used")
            }
        }
        if key?.isEmpty ?? true {
            guard !vendor.needsKey else { throw DiscoveryError.noKey(provider.name) }
            key = nil
        }
        // A key out of a file or a variable may hold what no header can.
        guard key?.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) ?? true else {
            throw DiscoveryError.reference(provider.name, "it has characters that no key has")
        }
        let answer: OutboundAnswer
        do {
            answer = try await http.send(ModelListing.request(vendor.api, address, key: key, timeLimit))
        } catch let error as OutboundHTTPError {
            throw DiscoveryError(error, provider.name)
        }
        guard answer.status == 200 else { throw DiscoveryError.answered(provider.name, answer.status) }
        guard let models = ModelListing.models(vendor.api, answer.body) else {
            throw DiscoveryError.garbage(provider.name)
        }
        guard let key else { return models }
        // Whoever sends the key back does not get it shown.
        return models.filter { !$0.id.contains(key) && !$0.displayName.contains(key) }
    }

    private static func stale(_ offered: OfferedModels) -> OfferedModels {
        var offered = offered
        offered.isStale = true
        return offered
    }
}

/// Why a provider's models are not known. Holds neither a key nor what the provider said.
public enum DiscoveryError: Error, Sendable, Equatable, CustomStringConvertible {
    case unknownVendor(_ provider: String)
    case noKey(_ provider: String)
    /// The key stands elsewhere and was not found there.
    case reference(_ provider: String, _ why: String)
    case timedOut(_ provider: String)
    case unreachable(_ provider: String)
    case tooLarge(_ provider: String)
    case garbage(_ provider: String)
    case answered(_ provider: String, _ status: Int)

    init(_ error: OutboundHTTPError, _ provider: String) {
        self =
            switch error {
            case .timedOut: .timedOut(provider)
            case .tooLarge: .tooLarge(provider)
            case .unreachable: .unreachable(provider)
            }
    }

    public var description: String {
        switch self {
        case .unknownVendor(let name): "Nobody knows how \(name) is asked for its models."
        case .noKey(let name): "The provider \(name) has no key."
        case .reference(let name, let why): "The key of \(name) can't be used: \(why)."
        case .timedOut(let name): "\(name) did not answer in time."
        case .unreachable(let name): "\(name) can't be reached at its address."
        case .tooLarge(let name): "\(name) answered with more than a list of models can be."
        case .garbage(let name): "\(name) answered with something that is no list of models."
        case .answered(let name, let status):
            switch status {
            case 401, 403: "\(name) refused the key (\(status))."
            case 429: "\(name) is asked too often (429)."
            case 300..<400: "\(name) is not at its address: it wanted to send the key elsewhere (\(status))."
            case 404: "\(name) has no list of models at its address (404)."
            default: "\(name) failed (\(status))."
            }
        }
    }
}
