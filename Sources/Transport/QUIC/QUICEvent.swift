internal import NIOCore

// What can happen inside a QUIC connection that someone outside must act on? ngtcp2 tells it in callbacks, in which
// nothing may be sent; so it is written down and acted on afterwards.

/// Something that ngtcp2 reported.
enum QUICEvent {
    case handshakeCompleted
    case streamOpened(QUICStream)
    /// The peer lets this side open more streams.
    case streamLimitRaised
    /// Packets with this id belong to the connection from now on, or no longer.
    case connectionIDIssued(ConnectionID)
    case connectionIDRetired(ConnectionID)
    /// A packet that ends with this token says that the peer has forgotten the connection.
    case resetTokenLearned(ResetToken)
    case resetTokenRetired(ResetToken)
    case datagram(ByteBuffer)
    case pathValidated
    /// What is needed to resume the session.
    case ticket([UInt8])
}

/// Why a connection cannot go on.
enum QUICEnd {
    /// Nothing more may be sent; the peer said why.
    case closedByPeer(isApplication: Bool, code: UInt64, reason: String)
    case statelessReset
    case idleTimeout
    case handshakeTimeout
    /// To be forgotten without a word.
    case dropped
    /// A server that wants the client's address proven first.
    case retryNeeded
    /// This side found a fault and must tell the peer. ``QUICConnection/writeClose`` knows how.
    case fault(QUICFault)
}

/// A fault that this side found.
struct QUICFault: CustomStringConvertible {
    /// ngtcp2's error code.
    let code: Int32
    /// The TLS alert that goes with it, when it is TLS's fault.
    let alert: UInt8?
    let description: String
}

/// How to end a connection towards the peer.
enum QUICCloseFrame {
    case application(code: UInt64, reason: String)
    case transport(code: UInt64, reason: String)
    case fault(QUICFault)
}
