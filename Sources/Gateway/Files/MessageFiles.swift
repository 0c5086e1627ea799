internal import Wire

// May this user send these files along? A message names files; what is passed on is what the agent knows of them, and only of
// the caller's own. One that cannot be used keeps the whole message from becoming a turn.

extension GatewaySocket {
    /// The message with its files as the agent knows them; nil when one cannot be used, and the sender was told.
    func resolve(
        _ message: ClientMessage.TextFinal, of caller: Caller
    ) async -> ClientMessage.TextFinal? {
        guard !message.attachments.isEmpty else { return message }
        var message = message
        guard message.attachments.count <= PendingAttachments.limit else {
            refuse(
                .tooLarge, "A message may have \(PendingAttachments.limit) files.", message.sessionID,
                message.messageID)
            return nil
        }
        for (index, attachment) in message.attachments.enumerated() {
            guard let known = await resolve(attachment, of: caller, message.sessionID, message.messageID) else {
                return nil
            }
            message.attachments[index] = known
        }
        return message
    }

    /// Keeps a file for the caller's next message.
    func attach(_ attachment: Attachment, to sessionID: String, by caller: Caller) async {
        guard let known = await resolve(attachment, of: caller, sessionID, nil) else { return }
        guard await sessions.addAttachment(known, to: sessionID, by: caller) else {
            return refuse(.tooLarge, "Too many files wait for a message already.", sessionID, nil)
        }
    }

    private func resolve(
        _ attachment: Attachment, of caller: Caller, _ sessionID: String, _ messageID: String?
    ) async -> Attachment? {
        guard let files else {
            refuse(.unavailable, "This agent takes no files.", sessionID, messageID)
            return nil
        }
        do {
            if let known = try await files.resolve(attachment, of: caller.handle) { return known }
            let names = [attachment.filename, attachment.path, attachment.id ?? ""]
            let name = FileName.safe(names.first { !$0.isEmpty } ?? "")
            refuse(
                .invalid, "There is no file of yours that is '\(name)': upload it first.", sessionID, messageID)
        } catch {
            logger.error("files::not_resolved", metadata: ["error": "\(error)"])
            refuse(.unavailable, "Files cannot be looked up at the moment.", sessionID, messageID)
        }
        return nil
    }

    private func refuse(_ code: ErrorCode, _ text: String, _ sessionID: String, _ messageID: String?) {
        let message = ServerMessage(.error(code: code, text: text), sessionID: sessionID, messageID: messageID)
        watcher.outbox.send(.text(message.frame))
    }
}
