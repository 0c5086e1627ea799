import NIOCore
import Testing

@testable import Transport

// What tests must do to an endpoint's inside: look, and make it vanish.

extension Endpoint {
    /// Connections at present, handshakes included.
    func connectionCount() async throws -> Int { try await inside { $0.connections.count } }

    /// Stops listening and speaking without a word to any peer, as when the process is killed.
    func vanish() async throws { try await inside { $0.closeSockets() } }

    /// Waits until a ticket for `peer` came in.
    func waitForTicket(of peer: NodeID, alpn: String) async throws {
        try await within(.seconds(5)) {
            while try await !self.inside({ core in
                guard let ticket = core.tickets.take(for: peer, alpn: alpn) else { return false }
                core.tickets.store(ticket, for: peer, alpn: alpn)
                return true
            }) { try Task.checkCancellation() }
        }
    }

    /// Offers one node's ticket to another node.
    func moveTicket(from peer: NodeID, to other: NodeID, alpn: String) async throws {
        try await inside { core in
            if let ticket = core.tickets.take(for: peer, alpn: alpn) {
                core.tickets.store(ticket, for: other, alpn: alpn)
            }
        }
    }

    private func inside<R: Sendable>(_ body: @escaping @Sendable (EndpointCore) -> R) async throws -> R {
        let core = core
        return try await eventLoop.submit { body(core.value) }.get()
    }
}
