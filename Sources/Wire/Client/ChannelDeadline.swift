internal import NIOCore

// How long may the other side take? Ends a channel that is past its time, so that whoever waits on it learns why.

/// A deadline on one channel: at its end the channel fails with ``GatewayClientError/timedOut(_:)`` and closes.
/// Needs no task of its own: the channel's event loop keeps the time.
struct ChannelDeadline: Sendable {
    private let timer: Scheduled<Void>

    init(_ limit: Duration, on channel: any Channel) {
        timer = channel.eventLoop.scheduleTask(in: TimeAmount(limit)) {
            channel.pipeline.fireErrorCaught(GatewayClientError.timedOut(limit))
            channel.close(promise: nil)
        }
    }

    /// The work is done in time.
    func cancel() { timer.cancel() }
}
