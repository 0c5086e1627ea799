internal import Store

// Who fetches lists of models before anybody asks for them? This, in the background: at the start, when providers change, and from time
// to time. It also looks for servers of models and agents' programs on this machine, so that they can be offered. Nothing waits
// for it.

/// Something on this machine that could be a provider.
public struct FoundProvider: Sendable, Equatable {
    /// As the provider's row would be called.
    public var name: String
    public var framework: String
    /// Where it listens; nil for a program.
    public var address: String?
    /// What a program says of its version.
    public var version: String?
    public var models: [OfferedModels.Model]
    /// What adds it.
    public var command: String {
        "openagent providers add \(name)" + (framework == "command" ? " --framework command" : "")
    }

    init(
        name: String, framework: String, address: String? = nil, version: String? = nil,
        models: [OfferedModels.Model] = []
    ) {
        self.name = name
        self.framework = framework
        self.address = address
        self.version = version
        self.models = models
    }
}

/// Keeps lists of models at hand.
public struct ModelWarmer: Sendable {
    /// Between two rounds.
    private static let pause = Duration.seconds(900)
    /// For a server on this machine.
    private static let localTime = Duration.seconds(1)

    private let registry: Registry
    private let http: any OutboundHTTP
    private let time: TimeSource
    private let servers: [String]
    private let programs: InstalledPrograms

    /// - Parameters:
    ///   - path: folders, divided by colons, in which programs are looked for; empty: nowhere.
    ///   - servers: vendors whose usual address on this machine is tried.
    public init(
        _ registry: Registry, http: any OutboundHTTP, time: TimeSource, path: String,
        servers: [String] = ["ollama", "lmstudio", "llamacpp"]
    ) {
        self.registry = registry
        self.http = http
        self.time = time
        self.servers = servers
        programs = InstalledPrograms(path: path)
    }

    /// Works until the task is cancelled.
    public func run() async {
        while !Task.isCancelled {
            // A new one each time: giving up waiting ends a stream. It remembers what changes during the round.
            let changes = registry.changes.of([.providers])
            await round()
            await withTaskGroup(of: Void.self) { group in
                group.addTask { for await _ in changes { break } }
                group.addTask { try? await time.sleep(Self.pause) }
                await group.next()
                group.cancelAll()
            }
        }
    }

    /// Looks everywhere, once, at the same time.
    func round() async {
        await registry.discovery.show(isLoading: true)
        let providers = (try? await registry.providers(after: 0, limit: .max)) ?? []
        let found = await withTaskGroup(of: [FoundProvider].self) { group in
            for provider in providers
            where provider.isEnabled && provider.kind == .llm && !AgentProgram.isProgram(provider) {
                group.addTask {
                    _ = try? await registry.discovery.models(of: provider)
                    return []
                }
            }
            for vendor in servers.compactMap(Vendor.named) {
                group.addTask { await look(vendor).map { [$0] } ?? [] }
            }
            group.addTask { await programs.look() }
            return await group.reduce(into: []) { $0 += $1 }
        }
        await registry.discovery.show(found: found.sorted { $0.name < $1.name }, isLoading: false)
    }

    private func look(_ vendor: Vendor) async -> FoundProvider? {
        guard let address = vendor.address,
            let answer = try? await http.send(ModelListing.request(vendor.api, address, key: nil, Self.localTime)),
            answer.status == 200, let models = ModelListing.models(vendor.api, answer.body)
        else { return nil }
        return FoundProvider(name: vendor.name, framework: "api-based", address: address, models: models)
    }
}
