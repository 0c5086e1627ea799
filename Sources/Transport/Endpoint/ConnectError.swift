// Every way in which a dial can fail, in words that help.

/// Why a node could not be reached.
public enum ConnectError: Error, Sendable, Equatable, CustomStringConvertible {
    /// There is no address to try, or none that this host has a socket and a route for.
    case noAddress(NodeAddress)
    /// Someone else answered: the address leads to another node.
    case wrongKey(expected: NodeID, met: NodeID)
    /// The peer does not speak the protocol that was asked for.
    case protocolRefused
    /// The peer, or its transport, ended the handshake.
    case refused(ConnectionCloseReason)
    /// Nobody answered in time.
    case timeout
    /// This side's endpoint is closed.
    case endpointClosed
    /// This side could not start; the text says why.
    case failed(String)

    public var description: String {
        switch self {
        case .noAddress(let address):
            address.addresses.isEmpty
                ? "no address is known for node \(address.nodeID)"
                : "this host cannot send to any of the addresses of node \(address)"
        case .wrongKey(let expected, let met):
            "expected node \(expected) but met node \(met): the address belongs to another node now; ask for a new ticket"
        case .protocolRefused: "the node does not speak this protocol; it may run another version"
        case .refused(let reason): "the node refused the connection: \(reason)"
        case .timeout: "the node did not answer; is it running, and is its UDP port reachable?"
        case .endpointClosed: "this endpoint is closed"
        case .failed(let text): text
        }
    }
}
