internal import ArgumentParser
internal import Foundation
internal import Gateway
internal import LoopbackProxy
internal import Transport
internal import Wire

struct Proxy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let curl and browsers on this machine reach the agent.",
        discussion: "The first line of output is the local URL. Ends on SIGTERM and SIGINT.")

    @Argument(help: ArgumentHelp("handle@network[/agent], when there are several.", valueName: "network"))
    var network: String?

    @Option(help: ArgumentHelp("TCP port on 127.0.0.1; 0 is any.", valueName: "n"))
    var port: UInt16 = 0

    @Option(name: .customLong("unix"), help: ArgumentHelp("Listen on a private socket instead.", valueName: "path"))
    var socket: String?

    @Flag(help: "Let in only who shows the token in user/proxy.token.")
    var token = false

    @OptionGroup var client: ClientOptions

    func run() async throws {
        let signals = await ShutdownSignals()
        let client = try await client.open(network: network)
        let listener: ProxyListener = socket.map { .unix(path: $0) } ?? .tcp(port: Int(port))
        let token = try token ? ProxyToken.loadOrCreate(path: client.home.path + "/proxy.token") : nil
        let proxy = LoopbackProxy(
            configuration: ProxyConfiguration(listener: listener, token: token), dialer: client.pool,
            group: client.group, logger: client.logger)
        let result: Result<Void, any Error>
        do {
            result = .success(try await client.keepingFresh { try await Self.run(proxy, until: signals) })
        } catch {
            result = .failure(error)
        }
        await client.close()
        try result.get()
    }

    private static func run(_ proxy: LoopbackProxy, until signals: ShutdownSignals) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await proxy.run { address in
                    Output.write("\(address)\n")
                }
            }
            group.addTask {
                for await request in signals.requests {
                    if case .immediate = request { _exit(130) }
                    return
                }
            }
            try await group.next()
            group.cancelAll()
        }
    }
}
