import Certs
import Foundation
import Logging
import NIOCore
import Transport
import Wire

// A device that has joined the network from a home of its own, as a program in this process: the key and the certificate
// that the command line left there, and endpoints that are bound and closed like processes that start and die.

/// What one device needs to speak to the agent.
struct JoinedDevice: Sendable {
    let handle: String
    let key: SecretKey
    let certificate: DeviceCertificate
    /// The agent, on 127.0.0.1.
    let agent: NodeAddress

    /// - Parameter port: where the agent listens.
    init(home: URL, port: Int) throws {
        let home = try ClientHome(path: home.appendingPathComponent("user").path)
        let network = try home.networks.load().networks[0]
        guard let certificate = try home.certificate(for: network) else { throw ClientHomeError.noHome }
        self.certificate = certificate
        handle = network.handle
        key = try home.identity()
        agent = NodeAddress(
            nodeID: network.coordinator, addresses: [try SocketAddress(ipAddress: "127.0.0.1", port: port)])
    }

    /// The lane of its turns.
    var lane: String { key.nodeID.hex }

    /// Runs `body` with connections of its own, which end with it.
    func withPool<R: Sendable>(_ body: (GatewayPool) async throws -> R) async throws -> R {
        let endpoint = try await Endpoint.bind(
            EndpointConfiguration(
                secretKey: key, bindAddresses: [try SocketAddress(ipAddress: "127.0.0.1", port: 0)],
                logger: Logger(label: "device") { _ in SwiftLogNoOpLogHandler() }))
        // A server that is being started again answers soon or not to this packet at all.
        let pool = GatewayPool(endpoint: endpoint, address: agent, timeout: .milliseconds(600)) { [certificate] in
            certificate.wire
        }
        let result: Result<R, any Error>
        do { result = .success(try await body(pool)) } catch { result = .failure(error) }
        pool.close()
        await endpoint.close()
        return try result.get()
    }

    /// A client that comes back at once, and never gives up.
    static func chat(over pool: GatewayPool) -> ChatClient {
        var policy = ReconnectPolicy()
        policy.firstDelay = .milliseconds(20)
        policy.maximumDelay = .milliseconds(150)
        policy.maximumAttempts = .max
        return ChatClient(dialer: pool, policy: policy, greetingTimeout: .seconds(2))
    }
}

extension TestHome {
    /// Lets users in, several devices each; the first is the network's first user.
    ///
    /// - Returns: the homes of the devices, in order.
    func admitDevices(_ handles: [(handle: String, devices: Int)], ticket: String) async throws -> [URL] {
        var homes: [URL] = []
        for (index, user) in handles.enumerated() {
            for number in 0..<user.devices {
                let home = root.appendingPathComponent("\(user.handle)-\(number)")
                homes.append(home)
                if index == 0, number == 0 {
                    let joined = try await join(ticket, handle: user.handle, home: home)
                    guard joined.status == 0 else { throw Program.Failure(description: "\(joined)") }
                } else {
                    try await admit(user.handle, home: home)
                }
            }
        }
        return homes
    }
}

extension Server {
    /// The UDP port on which it listens.
    func port() async throws -> Int {
        let line = try await program.line { $0.hasPrefix("Listens") }
        let address = line.split(separator: " ").dropFirst().first?.split(separator: ",").first ?? ""
        guard let port = address.split(separator: ":").last.flatMap({ Int($0) }) else {
            throw Program.Failure(description: "no port in: \(line)")
        }
        return port
    }
}
