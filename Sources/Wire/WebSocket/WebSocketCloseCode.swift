// With which number does a socket end, and what may its client do then? The codes that gateway and clients agree on: those
// of RFC 6455 §7.4.1, and private ones from 4000 on (docs/protocol.md).

/// Close codes of `/ws`.
public enum WebSocketCloseCode {
    /// Either side has said everything.
    public static let normal: UInt16 = 1000
    /// The other side broke the WebSocket protocol, or is not understood.
    public static let protocolError: UInt16 = 1002
    /// A frame or message was longer than is taken.
    public static let tooLarge: UInt16 = 1009
    /// The gateway ends or restarts; the client may come back.
    public static let restarting: UInt16 = 1012
    /// Nobody who knows the network's members can be asked at the moment; the client may come back later.
    public static let tryAgainLater: UInt16 = 1013
    /// The certificate that the stream was opened with has expired; the client may come back with a newer one.
    public static let expired: UInt16 = 4001
    /// No valid certificate was shown in time. Of connections only: no socket opens without one.
    public static let unauthenticated: UInt16 = 4002
    /// The device, or its user, counts no more; coming back is of no use.
    public static let revoked: UInt16 = 4003
    /// The client reads too slowly; it may come back and resume.
    public static let tooSlow: UInt16 = 4008
    /// A newer socket of the same device took over.
    public static let replaced: UInt16 = 4009
}
