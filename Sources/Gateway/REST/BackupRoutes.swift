internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Wire

// How does an admin fetch everything that the agent is? As one archive, made while it is sent. It holds what every user said and
// sent, so it is for admins; the agent's key is in it only for whoever holds that key already, its operator.

enum BackupRoutes {
    /// - Parameters:
    ///   - source: nil when the agent has no folder.
    ///   - gate: through which files are removed.
    ///   - now: Unix seconds.
    static func routes(
        _ source: BackupSource?, gate: RemovalGate, now: @escaping @Sendable () -> Double
    ) -> [Route] {
        [
            .admin(.post, "/api/backup", .backup, announces: .created(.backup, to: .admins)) {
                request, context, caller in
                let wanted = try await request.decode(as: NewBackup.self, context: context)
                guard wanted.withKeys != true || caller.isOperator else {
                    throw ErrorResponse(
                        status: .forbidden, code: .forbidden,
                        message: "Only the agent's operator gets its key, on the agent's machine.",
                        hint: "Do without the key, or run there: openagent backup --with-keys")
                }
                guard let source else {
                    throw ErrorResponse(
                        status: .serviceUnavailable, code: .unavailable, message: "This agent has no folder.")
                }
                let options = BackupOptions(withKeys: wanted.withKeys ?? false, withFiles: wanted.withFiles ?? true)
                do {
                    let backup = try await begin(source, options, gate: gate, now: now())
                    return answer(backup, source.name) { try context.origin.authenticate().get().role >= .admin }
                } catch let error as BackupError {
                    throw ErrorResponse(error)
                }
            }
        ]
    }

    /// Copying the database may take a while, and waits for the disk.
    @concurrent
    private static func begin(
        _ source: BackupSource, _ options: BackupOptions, gate: RemovalGate, now: Double
    ) async throws -> Backup {
        try Backup.begin(source, options, gate: gate, now: now)
    }

    /// - Parameter isAdmin: whether whoever asked still is one; a backup that somebody has begun with a right ends with it.
    private static func answer(
        _ backup: Backup, _ name: String, while isAdmin: @escaping @Sendable () throws -> Bool
    ) -> Response {
        let headers: HTTPFields = [
            .contentType: "application/x-tar",
            .contentDisposition: ContentDisposition.header(
                filename: "\(FileName.safe(name))-\(Int(backup.information.createdAt)).tar", isShown: false),
        ]
        return Response(
            status: .ok, headers: headers,
            body: ResponseBody { writer in
                while let bytes = try await backup.next() {
                    guard try isAdmin() else { throw Refusal.forbidden }
                    try await writer.write(bytes)
                }
                try await writer.finish(nil)
            })
    }
}

extension ErrorResponse {
    fileprivate init(_ error: BackupError) {
        switch error {
        case .busy:
            self.init(
                status: .conflict, code: .conflict, message: "Another backup is being made.",
                hint: "Try again when it has ended.")
        case .noSpace:
            self.init(
                status: HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage"), code: .unavailable,
                message: "The agent's disk has no room for a copy of its database.",
                hint: "Make room on the agent's machine, in the folder for temporary files.")
        case .configuration(let line):
            self.init(
                status: .conflict, code: .conflict,
                message: "openagent.yaml can't be read (line \(line)), so its secrets can't be left out.",
                hint: "Repair it first, see GET /api/health.")
        default:
            self = .internalError
        }
    }
}
