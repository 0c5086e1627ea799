internal import NIOCore

// Is anybody using this connection? Keep-alive packets hold a connection open for ever, so a peer that wants nothing could
// stay for nothing. Only the application knows whether that is welcome; where it is not, streams are what counts.

extension ConnectionCore {
    /// Looks once per `time` and closes when there is no stream and there was none since the last look.
    func closeWhenUnused(for time: TimeAmount) {
        guard !isClosed else { return }
        let seen = openedStreams
        usageCheck?.cancel()
        usageCheck = eventLoop.assumeIsolated().scheduleTask(in: time) { [self] in
            guard streamCount == 0, openedStreams == seen else { return closeWhenUnused(for: time) }
            close(.local(code: 0, reason: "unused"), frame: .application(code: 0, reason: "unused"))
        }
    }
}
