internal import ArgumentParser
internal import Certs
internal import Foundation
internal import Gateway
internal import Logging
internal import NIOCore
internal import Store
internal import Transport

// Who may talk to this agent, and who may no longer? Asked of the running server, over the same transport as everything
// else: whoever can read the agent's key is its operator.

struct Devices: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List and revoke the devices that may talk to this agent.",
        subcommands: [List.self, Revoke.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List every device of the network.")

        @OptionGroup var agent: AgentOptions
        @Flag(help: "Print JSON.")
        var json = false

        func run() async throws {
            let devices = try await Operator(agent).run { try await $0.listDevices() }
            if json {
                let rows = devices.map(Row.init)
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
                return print(String(decoding: try encoder.encode(rows), as: UTF8.self))
            }
            if devices.isEmpty { return print("No device has joined yet.") }
            for device in devices {
                let id = Base16.encode(device.key)
                print("\(id)  \(device.status.rawValue)  \(device.handle)  \(device.label ?? "")")
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put a device out: its connections close at once, its next request is refused.")

        @Argument(help: "The device's id, or its first digits.")
        var id: String
        @OptionGroup var agent: AgentOptions

        func run() async throws {
            let wanted = id.lowercased()
            guard !wanted.isEmpty, wanted.allSatisfy(\.isHexDigit) else {
                throw CommandError(.usage, "'\(id)' is not a device id", hint: "see: openagent devices list")
            }
            let revoked = try await Operator(agent).run { client in
                let matching = try await client.listDevices().filter { Base16.encode($0.key).hasPrefix(wanted) }
                guard let device = matching.first else {
                    throw CommandError(
                        .usage, "no device has an id that begins with \(wanted)", hint: "see: openagent devices list")
                }
                guard matching.count == 1 else {
                    throw CommandError(
                        .usage, "\(matching.count) devices have an id that begins with \(wanted)",
                        hint: "give more digits")
                }
                guard try await client.revokeDevice(NodeID(bytes: device.key)) else {
                    throw CommandError(.state, "device \(Base16.encode(device.key)) was revoked before")
                }
                return device
            }
            print("Revoked \(Base16.encode(revoked.key)) of \(revoked.handle): its connections are closed.")
        }
    }

    private struct Row: Encodable {
        var device: String
        var handle: String
        var label: String?
        var status: String
        var addedAt: Double
        var lastSeen: Double?

        private enum CodingKeys: String, CodingKey {
            case device, handle, label, status
            case addedAt = "added_at"
            case lastSeen = "last_seen"
        }

        init(_ record: DeviceRecord) {
            device = Base16.encode(record.key)
            handle = record.handle
            label = record.label
            status = record.status.rawValue
            addedAt = record.addedAt
            lastSeen = record.lastSeen
        }
    }
}

/// Calls the coordinator of a running agent with the agent's own key.
private struct Operator {
    private let directory: AgentDirectory
    private let record: RunRecord

    init(_ agent: AgentOptions) throws { (directory, record) = try agent.locateRunning() }

    func run<R: Sendable>(_ body: (CoordinatorClient) async throws -> R) async throws -> R {
        let key = try SecretKey.load(path: directory.identityKey)
        let local = try ["127.0.0.1", "::1"].map { try SocketAddress(ipAddress: $0, port: Int(record.udpPort)) }
        let quiet = Logger(label: "openagent") { _ in SwiftLogNoOpLogHandler() }
        let endpoint = try await Endpoint.bind(EndpointConfiguration(secretKey: key, logger: quiet))
        let result: Result<R, any Error>
        do {
            let connection = try await endpoint.connect(
                to: NodeAddress(nodeID: record.nodeId, addresses: local), alpn: ALPN.coordinator, timeout: .seconds(10))
            result = .success(try await body(CoordinatorClient(connection: connection)))
        } catch {
            result = .failure(error)
        }
        await endpoint.close()
        return try result.get()
    }
}
