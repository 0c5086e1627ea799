// What do a user's devices hear of a conversation that they do not watch? That there is a new one, that one has gone on, that
// one was cleared: enough to show a list that is true. Only its owner's devices hear it.

extension SessionManager {
    /// Something has become of a session.
    func announce(_ action: Broadcasts.Action, _ key: SessionKey) {
        broadcasts.publish(.session, action, id: key.sessionID, to: [.handle(key.handle)])
    }

    /// A turn is over whose tools may have written what others show.
    nonisolated func announce(changesBy tools: TurnTools) {
        for resource in tools.changed { broadcasts.publish(resource, .changed, to: [.everybody]) }
    }
}
