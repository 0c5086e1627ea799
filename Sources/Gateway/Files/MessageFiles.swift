internal import Logging
internal import Wire

// May this user send these files along? A message names files; what is passed on is what the agent knows of them, and only of
// the caller's own. One that cannot be used keeps the whole message from becoming a turn.

/// Looks up the files of messages.
struct MessageFiles: Sendable {
    /// Why a message can't have a file.
    struct Unusable: Error {
        let code: ErrorCode
        let text: String
    }

    /// Nil: the agent keeps none.
    let files: ArtifactStore?
    let logger: Logger

    /// The files as the agent knows them.
    func resolve(_ attachments: [Attachment], of caller: Caller) async throws(Unusable) -> [Attachment] {
        guard attachments.count <= PendingAttachments.limit else {
            throw Unusable(code: .tooLarge, text: "A message may have \(PendingAttachments.limit) files.")
        }
        var known: [Attachment] = []
        for attachment in attachments { known.append(try await resolve(attachment, of: caller)) }
        return known
    }

    func resolve(_ attachment: Attachment, of caller: Caller) async throws(Unusable) -> Attachment {
        guard let files else { throw Unusable(code: .unavailable, text: "This agent takes no files.") }
        let known: Attachment?
        do {
            known = try await files.resolve(attachment, of: caller.handle)
        } catch {
            logger.error("files::not_resolved", metadata: ["error": "\(error)"])
            throw Unusable(code: .unavailable, text: "Files cannot be looked up at the moment.")
        }
        guard let known else {
            let names = [attachment.filename, attachment.path, attachment.id ?? ""]
            let name = FileName.safe(names.first { !$0.isEmpty } ?? "")
            throw Unusable(code: .invalid, text: "There is no file of yours that is '\(name)': upload it first.")
        }
        return known
    }
}

extension GatewaySocket {
    private var messageFiles: MessageFiles { MessageFiles(files: files, logger: logger) }

    /// The message with its files as the agent knows them; nil when one cannot be used, and the sender was told.
    func resolve(
        _ message: ClientMessage.TextFinal, of caller: Caller
    ) async -> ClientMessage.TextFinal? {
        guard !message.attachments.isEmpty else { return message }
        var message = message
        do {
            message.attachments = try await messageFiles.resolve(message.attachments, of: caller)
            return message
        } catch {
            refuse(error.code, error.text, message.sessionID, message.messageID)
            return nil
        }
    }

    /// Keeps a file for the caller's next message.
    func attach(_ attachment: Attachment, to sessionID: String, by caller: Caller) async {
        do {
            let known = try await messageFiles.resolve(attachment, of: caller)
            guard await sessions.addAttachment(known, to: sessionID, by: caller) else {
                return refuse(.tooLarge, "Too many files wait for a message already.", sessionID, nil)
            }
        } catch {
            refuse(error.code, error.text, sessionID, nil)
        }
    }

    private func refuse(_ code: ErrorCode, _ text: String, _ sessionID: String, _ messageID: String?) {
        let message = ServerMessage(.error(code: code, text: text), sessionID: sessionID, messageID: messageID)
        watcher.outbox.send(.text(message.frame))
    }
}
