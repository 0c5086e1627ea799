internal import Wire

// What do the routes of bridges say about themselves?

extension Operation {
    static let bridges = Operation(
        "The bridges to chat platforms, and how each is", [.limit(), .cursor], answer: BridgesBody.self)
    static let setBridgeStatus = Operation(
        "Say how this bridge is", body: .json(BridgeStatus.self), answer: BridgeStatusTaken.self)
    static let senderStanding = Operation(
        "Whether an admin let somebody talk through this bridge", answer: SenderStanding.self)
    static let openPairing = Operation(
        "Get the code by which an admin lets somebody in", body: .json(NewPairing.self), answer: PairingCode.self,
        errors: [429])
    static let senders = Operation(
        "Who was let in by a code", [.limit(), .cursor], answer: SendersBody.self)
    static let pairings = Operation(
        "Who asked to be let in and waits, without the codes", [.limit(), .cursor], answer: PairingsBody.self)
    static let approvePairing = Operation(
        "Let the sender of a code talk", answer: PairingApproved.self, errors: [429])
    static let removeSender = Operation("Take somebody off who was let in by a code", answer: SenderRemoved.self)
}
