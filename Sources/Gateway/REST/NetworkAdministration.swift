public import Certs
internal import HTTPTypes
public import NIOCore
public import Transport

// Who carries out what REST asks of a network? The coordinator, if it lives in this process. A member agent administers
// nothing and says whom to ask: so every change of the network is made, audited and published in one place.

/// Whom the administration routes of a gateway call.
public enum NetworkAdministration: Sendable {
    /// This agent coordinates the network.
    ///
    /// - Parameter addresses: where it can be reached at this moment, for the tickets that it makes.
    case coordinator(Coordinator, addresses: @Sendable () -> [SocketAddress])
    /// This agent is a member of a network that another agent coordinates.
    case member(coordinator: NodeID, network: String)

    /// The coordinator of this process, and where it can be reached.
    ///
    /// - Throws: ``ErrorResponse`` with `not_found` on a member agent.
    func here() throws(ErrorResponse) -> (coordinator: Coordinator, addresses: @Sendable () -> [SocketAddress]) {
        switch self {
        case .coordinator(let coordinator, let addresses): return (coordinator, addresses)
        case .member(let coordinator, let network):
            throw ErrorResponse(
                status: .notFound, code: .notFound, message: "not a coordinator-mode agent",
                hint: "Ask the coordinator of the network '\(network)': node \(coordinator.hex)")
        }
    }

    /// The coordinator of this process.
    ///
    /// - Throws: as ``here()``.
    var coordinator: Coordinator {
        get throws(ErrorResponse) { try here().coordinator }
    }
}
