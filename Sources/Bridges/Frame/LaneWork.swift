internal import Logging
internal import Store
internal import Wire

// How does one lane get its work done? What the outbox holds stays there until the platform has confirmed it or will never take it,
// however often and for whatever reason an attempt fails in between. What is shown of an answer meanwhile is tried, and not missed.

extension Lanes {
    nonisolated func work(_ key: String, _ place: ChatPlace) async throws {
        while true {
            try Task.checkCancellation()
            switch await next(in: key) {
            case .row(let announced):
                if let message = try await frame.persist({ try await frame.store.next(in: key) }) {
                    try await carryOut(message, place)
                } else {
                    await isEmpty(key, announced: announced)
                }
            case .show(let live, let text): try await show(live, text, in: key, place)
            case .typing: try await showTyping(place)
            case .wait(let bell, let rings, nil): await bell.wait(after: rings)
            case .wait(let bell, let rings, let moment?):
                let duration = moment - frame.seams.clock()
                guard duration > .zero else { continue }
                await bell.wait(after: rings) { [seams = frame.seams] in try await seams.sleep(duration) }
            case .end: return
            }
        }
    }

    // MARK: The outbox

    /// Returns when the message needs no more care, or the chat is parked.
    private nonisolated func carryOut(_ message: BridgeMessage, _ place: ChatPlace) async throws {
        var failures = 0
        while true {
            try await waitForSlot(place.chat)
            do {
                try await perform(message, place)
                return
            } catch let failure as PlatformFailure {
                switch failure {
                case .wait(let duration, let scope):
                    await block(scope == .chat ? place.chat : nil, for: duration)
                    continue
                case .chatGone(let reason): return try await park(place.chat, reason: reason)
                case .refused(let reason):
                    frame.logger.error("bridge::refused", metadata: ["chat": "\(place.chat)", "reason": "\(reason)"])
                    return try await settle(message)
                case .messageGone: return try await settle(message)
                case .unavailable(let reason):
                    frame.logger.debug("bridge::not_sent", metadata: ["chat": "\(place.chat)", "reason": "\(reason)"])
                case .account(let reason):
                    frame.logger.error("bridge::account", metadata: ["problem": "\(reason)"])
                }
            }
            try Task.checkCancellation()
            failures += 1
            await block(
                place.chat,
                for: frame.seams.patience.delay(afterFailures: failures, jitter: frame.seams.random()))
        }
    }

    private nonisolated func waitForSlot(_ chat: String) async throws {
        repeat {
            let pause = await slot(chat) - frame.seams.clock()
            if pause > .zero { try await frame.seams.sleep(pause) }
            try Task.checkCancellation()
        } while await isBlocked(chat)
    }

    private nonisolated func perform(_ message: BridgeMessage, _ place: ChatPlace) async throws {
        guard let act = try? JSONText.decode(StoredAct.self, message.act) else {
            frame.logger.error("bridge::refused", metadata: ["chat": "\(place.chat)", "reason": "unreadable"])
            return try await settle(message)
        }
        switch act {
        case .plain(let act):
            _ = try await frame.perform(act, at: place, key: message.key)
            try await settle(message)
        case .reply(let turn, let text):
            if try await !replaceDraft(of: turn, by: text, message, place) {
                _ = try await frame.perform(.send(text), at: place, key: message.key)
            }
            try await settle(message, draftOf: turn)
        case .close(let turn, let text):
            _ = try await replaceDraft(of: turn, by: OutboundText(text), message, place)
            try await settle(message, draftOf: turn)
        case .file(let file):
            try await OutboundFiles(frame).send(file, at: place, key: message.key)
            try await settle(message)
        case .speech(let text, let replyTo):
            try await OutboundFiles(frame).speak(text, replyTo: replyTo, at: place, key: message.key)
            try await settle(message)
        }
    }

    /// - Returns: false when there is no message whose place the text could take.
    private nonisolated func replaceDraft(
        of turn: String, by text: OutboundText, _ message: BridgeMessage, _ place: ChatPlace
    ) async throws -> Bool {
        guard let draft = try await frame.persist({ try await frame.store.draft(of: turn) }) else { return false }
        do {
            _ = try await frame.perform(.edit(message: draft, text), at: place, key: message.key)
            return true
        } catch let failure as PlatformFailure {
            switch failure {
            case .messageGone, .refused: return false
            case .wait, .unavailable, .chatGone, .account: throw failure
            }
        }
    }

    private nonisolated func settle(_ message: BridgeMessage, draftOf turn: String? = nil) async throws {
        try await frame.persist { try await frame.store.settle(message.id, draftOf: turn) }
        status.note()
    }

    // MARK: While an answer is written

    private nonisolated func showTyping(_ place: ChatPlace) async throws {
        do {
            _ = try await frame.perform(.typing, at: place, key: "typing")
        } catch let failure as PlatformFailure {
            try await note(failure, place.chat)
        }
    }

    private nonisolated func show(_ live: LiveTurn, _ text: String, in key: String, _ place: ChatPlace) async throws {
        if live.style == .notes {
            do {
                _ = try await frame.perform(
                    .send(OutboundText(text)), at: place, key: "note:\(live.id):\(text)")
            } catch let failure as PlatformFailure {
                try await note(failure, place.chat)
            }
            return
        }
        let buttons =
            frame.limits.hasButtons
            ? [OutboundButton(label: Words.stopLabel, data: "stop:" + BridgeFrame.mark(of: live.session))] : []
        var draft = live.draft
        if draft == nil { draft = try await frame.persist { try await frame.store.draft(of: live.id) } }
        do {
            if let draft {
                _ = try await frame.perform(
                    .edit(message: draft, OutboundText(text, buttons: buttons)), at: place, key: "live:\(live.id)")
            } else {
                draft = try await frame.perform(
                    .send(OutboundText(text, replyTo: live.anchor, buttons: buttons)), at: place,
                    key: "live:\(live.id)")
                // Kept at once: the answer takes its place, also after a crash.
                let (turn, message) = (live.id, draft)
                try await frame.persist {
                    try await frame.store.setDraft(of: turn, message, at: frame.seams.now())
                }
            }
            await shown(live.id, in: key, draft: draft)
        } catch let failure as PlatformFailure {
            switch failure {
            case .wait: await notShown(live.id, in: key, givingUp: false)
            // Whether a first message is there is not known: another one would be one too many.
            case .unavailable, .refused, .account, .chatGone:
                await notShown(live.id, in: key, givingUp: draft == nil)
            case .messageGone:
                try await frame.persist { try await frame.store.setDraft(of: live.id, nil, at: frame.seams.now()) }
                await notShown(live.id, in: key, givingUp: true)
            }
            try await note(failure, place.chat)
        }
    }

    /// What an attempt that need not succeed tells about the platform.
    private nonisolated func note(_ failure: PlatformFailure, _ chat: String) async throws {
        switch failure {
        case .wait(let duration, let scope): await block(scope == .chat ? chat : nil, for: duration)
        case .chatGone(let reason): try await park(chat, reason: reason)
        case .unavailable, .messageGone, .refused, .account: break
        }
    }
}
