internal import Wire

extension ClientMessage {
    /// What the message asks of its sender. Exhaustive: a message without a rule does not compile.
    var requiredRole: Role {
        switch self {
        case .auth, .ping, .sessionOpen, .sessionClose, .textFinal, .textDelta, .audioChunk, .attachment, .interrupt,
            .approvalReply, .unknown:
            .member
        case .command(let command): SessionCommand(rawValue: command.name)?.requiredRole ?? .member
        }
    }
}
