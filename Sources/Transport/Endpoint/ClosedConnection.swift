// What does a node still say about a connection that is over? Only that, and ever more rarely.

/// What is left of a connection that was closed.
final class ClosedConnection {
    /// The packet that says so; empty when the peer closed.
    let packet: [UInt8]
    private var received = 0

    init(packet: [UInt8]) { self.packet = packet }

    /// Answers the first packet, the second, the fourth, the eighth, …
    func shouldRepeat() -> Bool {
        received += 1
        return !packet.isEmpty && received & (received - 1) == 0
    }
}
