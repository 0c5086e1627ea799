internal import Wire

// What does the route of backups say about itself?

extension Operation {
    static let backup = Operation(
        "Everything that the agent is, as one archive", body: .json(NewBackup.self),
        answers: [.bytes("application/x-tar", summary: "The archive, which ends with its own sums")], errors: [409])
}
