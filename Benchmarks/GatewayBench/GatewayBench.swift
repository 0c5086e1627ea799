internal import Certs
internal import Foundation
internal import NIOCore
internal import Transport

// One party of a measurement or an abuse test, by its arguments. Results are JSON objects, one a line, read by the
// programs in Benchmarks/subjects and by Tests/SystemTests/AbuseTests.swift. Every role ends with its standard input.
//
//     gateway-bench serve DIRECTORY [STRANGER_SECONDS]        an agent, its coordinator and its gateway
//     gateway-bench ping TICKET HANDLE                        a healthy device that asks and asks, see Pinger.swift
//     gateway-bench login TICKET HANDLE                       a device that joins and asks once
//     gateway-bench crowd TICKET DEVICES                      devices that converse, see Crowd.swift
//     gateway-bench attack KIND NODE ADDRESS COUNT PER_SECOND half-preambles, logins, protocols or streams
//     gateway-bench revocation TICKET KEYFILE DEVICES ROUNDS [NODE@ADDRESS …]
//                                                             many devices, some revoked one after the other; the
//                                                             gateways, if not the coordinator's own
//     gateway-bench vault DIRECTORY NOTES                     a large vault, see VaultBench.swift
//     gateway-bench tools DIRECTORY CALLS                     calls of a tool, see ToolBench.swift
//     gateway-bench echo-server                               the tool's server
//     gateway-bench workflow DIRECTORY BLOCKS                 a long workflow, see WorkflowBench.swift
//     gateway-bench schedule DIRECTORY TASKS SECONDS          tasks that are due, see ScheduleBench.swift

enum BenchError: Error, CustomStringConvertible {
    case usage
    case unexpected(String)

    var description: String {
        switch self {
        case .usage: "usage: see the head of Benchmarks/GatewayBench/GatewayBench.swift"
        case .unexpected(let what): what
        }
    }
}

@main struct GatewayBench {
    static func main() async {
        do {
            try await run(Array(CommandLine.arguments.dropFirst()))
        } catch {
            Report.write([("error", .text("\(error)"))])
            exit(1)
        }
    }

    /// Off the main actor: there each hop of a measured loop would be dear.
    @concurrent private static func run(_ arguments: [String]) async throws {
        guard let role = arguments.first else { throw BenchError.usage }
        switch (role, arguments.count) {
        case ("serve", 2), ("serve", 3):
            let seconds = arguments.count == 3 ? try number(arguments[2]) : nil
            try await BenchNetwork(directory: arguments[1], strangerTime: seconds.map { .seconds($0) }).run()
        case ("ping", 3):
            let device = try await Device.join(InviteTicket(arguments[1]), handle: arguments[2])
            try await Pinger(device).run()
        case ("login", 3):
            let started = ContinuousClock.now
            let device = try await Device.join(InviteTicket(arguments[1]), handle: arguments[2])
            try await device.ask()
            Report.write([("seconds", .seconds(.now - started))])
            await device.endpoint.close()
        case ("crowd", 3):
            try await Crowd(ticket: InviteTicket(arguments[1]), size: number(arguments[2])).run()
        case ("attack", 6):
            let target = NodeAddress(
                nodeID: try NodeID(arguments[2]), addresses: [try SocketAddress(hostAndPort: arguments[3])])
            let attack = Attack(
                target: target, count: try number(arguments[4]), pace: Pace(perSecond: try number(arguments[5])))
            switch arguments[1] {
            case "half-preambles": try await attack.halfPreambles()
            case "logins": try await attack.logins()
            case "protocols": try await attack.unknownProtocols()
            case "streams": try await attack.streams()
            default: throw BenchError.usage
            }
        case ("revocation", 5...):
            let gateways = try arguments.dropFirst(5).map { text in
                let parts = text.split(separator: "@").map(String.init)
                guard parts.count == 2 else { throw BenchError.usage }
                return NodeAddress(
                    nodeID: try NodeID(parts[0]), addresses: [try SocketAddress(hostAndPort: parts[1])])
            }
            try await Revocation(
                ticket: InviteTicket(arguments[1]), operatorKey: SecretKey.load(path: arguments[2]),
                devices: number(arguments[3]), rounds: number(arguments[4]), gateways: gateways
            ).run()
        case ("tools", 3): try await ToolBench(directory: arguments[1], calls: number(arguments[2])).run()
        case ("echo-server", 1): ToolBench.serve()
        case ("schedule", 4):
            guard let seconds = Double(arguments[3]), seconds >= 0 else { throw BenchError.usage }
            try await ScheduleBench(directory: arguments[1], tasks: number(arguments[2]), seconds: seconds).run()
        case ("vault", 3):
            try await VaultBench(directory: arguments[1], count: try number(arguments[2])).run()
        case ("workflow", 3):
            try await WorkflowBench(directory: arguments[1], count: try number(arguments[2])).run()
        default:
            throw BenchError.usage
        }
    }

    private static func number(_ text: String) throws -> Int {
        guard let number = Int(text), number > 0 else { throw BenchError.usage }
        return number
    }
}
