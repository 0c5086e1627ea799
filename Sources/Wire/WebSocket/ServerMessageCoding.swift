internal import Foundation

// How is a server's message written? Readers take null and absent alike, and ignore fields that they don't know.

extension ServerMessage: Codable {
    private enum Key: String, CodingKey {
        case type, text, model, attachments, position, usage, reason, code, seq, version, handle, network, source, data,
            format
        case mime, resource, action, id, snapshot, messages, truncated, ok, details
        case tool, arguments, decision
        case expiresAt = "expires_at"
        case sessionID = "session_id"
        case turnID = "turn_id"
        case messageID = "message_id"
        case messageIDs = "message_ids"
        case agentName = "agent_name"
        case networkID = "network_id"
        case voiceID = "voice_id"
        case totalChunks = "total_chunks"
        case cpu = "cpu_percent"
        case ram = "ram_percent"
        case disk = "disk_percent"
    }

    private struct Usage: Codable {
        var inputTokens: Int?
        var outputTokens: Int?
        var cost: Double?

        enum CodingKeys: String, CodingKey {
            case inputTokens = "input_tokens"
            case outputTokens = "output_tokens"
            case cost
        }
    }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        func text(_ key: Key) throws -> String { try fields.decodeIfPresent(String.self, forKey: key) ?? "" }
        sessionID = try fields.decodeIfPresent(String.self, forKey: .sessionID)
        sequence = try fields.decodeIfPresent(Int.self, forKey: .seq)
        turnID = try fields.decodeIfPresent(String.self, forKey: .turnID)
        messageID = try fields.decodeIfPresent(String.self, forKey: .messageID)
        messageIDs = try fields.decodeIfPresent([String].self, forKey: .messageIDs) ?? []
        let type = try fields.decode(String.self, forKey: .type)
        switch type {
        case "auth_ok":
            body = .authOK(
                AuthOK(
                    agentName: try text(.agentName), version: try text(.version), handle: try text(.handle),
                    network: try text(.network), networkID: try text(.networkID)))
        case "pong": body = .pong
        case "queued": body = .queued(position: try fields.decodeIfPresent(Int.self, forKey: .position) ?? 1)
        case "status": body = .status(try text(.text))
        case "delta": body = .delta(try text(.text))
        case "response":
            body = .response(
                text: try text(.text), model: try fields.decodeIfPresent(String.self, forKey: .model),
                attachments: try fields.decodeIfPresent([Attachment].self, forKey: .attachments) ?? [])
        case "turn_complete":
            let usage = try fields.decodeIfPresent(Usage.self, forKey: .usage)
            let reason = try fields.decodeIfPresent(String.self, forKey: .reason)
            body = .turnComplete(
                TurnComplete(
                    reason: reason.flatMap(TurnComplete.Reason.init) ?? .completed,
                    inputTokens: usage?.inputTokens ?? 0, outputTokens: usage?.outputTokens ?? 0,
                    cost: usage?.cost ?? 0))
        case "error":
            let code = try fields.decodeIfPresent(String.self, forKey: .code).map(ErrorCode.init(rawValue:))
            body = .error(code: code ?? .internalError, text: try text(.text))
            // Details of other errors may have another shape one day.
            budget = try? fields.decodeIfPresent(BudgetDetails.self, forKey: .details)
        case "command_result":
            body = .commandResult(try text(.text))
            failure = try fields.decodeIfPresent(String.self, forKey: .code).map(ErrorCode.init(rawValue:))
        case "text_final": body = .heard(try text(.text))
        case "approval_request":
            body = .approvalRequest(
                ApprovalRequest(
                    id: try text(.id), tool: try text(.tool), arguments: try text(.arguments),
                    expiresAt: try fields.decodeIfPresent(Double.self, forKey: .expiresAt) ?? 0))
        case "approval_settled": body = .approvalSettled(id: try text(.id), decision: try text(.decision))
        case "audio_start":
            body = .audioStart(
                AudioStart(
                    format: try text(.format), mime: try text(.mime),
                    voiceID: try fields.decodeIfPresent(String.self, forKey: .voiceID)))
        case "audio_chunk":
            // Its number counts within the spoken answer, not in the session.
            body = .audioChunk(data: Array(Data(base64Encoded: try text(.data)) ?? Data()), number: sequence ?? 0)
            sequence = nil
        case "audio_end": body = .audioEnd(chunks: try fields.decodeIfPresent(Int.self, forKey: .totalChunks) ?? 0)
        case "resource_event":
            body = .resourceEvent(
                ResourceEvent(
                    resource: try text(.resource), action: try text(.action),
                    id: try fields.decodeIfPresent(String.self, forKey: .id)))
        case "system_snapshot": body = .systemSnapshot(try fields.decode(SystemSnapshot.self, forKey: .snapshot))
        case "session_state": body = .sessionState(try SessionState(from: decoder))
        default: body = .unknown(type: type)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encodeIfPresent(sessionID, forKey: .sessionID)
        try fields.encodeIfPresent(sequence, forKey: .seq)
        try fields.encodeIfPresent(turnID, forKey: .turnID)
        try fields.encodeIfPresent(messageID, forKey: .messageID)
        if messageIDs.count > 1 { try fields.encode(messageIDs, forKey: .messageIDs) }
        func put(_ type: String) throws { try fields.encode(type, forKey: .type) }
        switch body {
        case .authOK(let greeting):
            try put("auth_ok")
            try fields.encode(greeting.agentName, forKey: .agentName)
            try fields.encode(greeting.version, forKey: .version)
            try fields.encode(greeting.handle, forKey: .handle)
            try fields.encode(greeting.network, forKey: .network)
            try fields.encode(greeting.networkID, forKey: .networkID)
        case .pong: try put("pong")
        case .queued(let position):
            try put("queued")
            try fields.encode(position, forKey: .position)
        case .status(let text):
            try put("status")
            try fields.encode(text, forKey: .text)
        case .delta(let text):
            try put("delta")
            try fields.encode(text, forKey: .text)
        case .response(let text, let model, let attachments):
            try put("response")
            try fields.encode(text, forKey: .text)
            // Readers of the reference's clients expect both keys, null when empty.
            try fields.encode(attachments.isEmpty ? nil : attachments, forKey: .attachments)
            try fields.encode(model, forKey: .model)
        case .turnComplete(let end):
            try put("turn_complete")
            try fields.encode(end.reason.rawValue, forKey: .reason)
            try fields.encode(
                Usage(inputTokens: end.inputTokens, outputTokens: end.outputTokens, cost: end.cost), forKey: .usage)
        case .error(let code, let text):
            try put("error")
            try fields.encode(code.rawValue, forKey: .code)
            try fields.encode(text, forKey: .text)
            try fields.encodeIfPresent(budget, forKey: .details)
        case .commandResult(let text):
            try put("command_result")
            try fields.encode(text, forKey: .text)
            try fields.encode(failure == nil, forKey: .ok)
            try fields.encodeIfPresent(failure?.rawValue, forKey: .code)
        case .approvalRequest(let request):
            try put("approval_request")
            try fields.encode(request.id, forKey: .id)
            try fields.encode(request.tool, forKey: .tool)
            try fields.encode(request.arguments, forKey: .arguments)
            try fields.encode(request.expiresAt, forKey: .expiresAt)
        case .approvalSettled(let id, let decision):
            try put("approval_settled")
            try fields.encode(id, forKey: .id)
            try fields.encode(decision, forKey: .decision)
        case .heard(let text):
            try put("text_final")
            try fields.encode(text, forKey: .text)
            try fields.encode(ClientMessage.Source.speech, forKey: .source)
            try fields.encodeNil(forKey: .attachments)
        case .audioStart(let start):
            try put("audio_start")
            try fields.encode(start.format, forKey: .format)
            try fields.encode(start.mime, forKey: .mime)
            try fields.encode(start.voiceID, forKey: .voiceID)
        case .audioChunk(let data, let number):
            try put("audio_chunk")
            try fields.encode(Data(data).base64EncodedString(), forKey: .data)
            try fields.encode(number, forKey: .seq)
        case .audioEnd(let chunks):
            try put("audio_end")
            try fields.encode(chunks, forKey: .totalChunks)
        case .resourceEvent(let event):
            try put("resource_event")
            try fields.encode(event.resource, forKey: .resource)
            try fields.encode(event.action, forKey: .action)
            try fields.encodeIfPresent(event.id, forKey: .id)
        case .systemSnapshot(let snapshot):
            try put("system_snapshot")
            try fields.encode(snapshot, forKey: .snapshot)
            // The seed's three numbers.
            try fields.encode(snapshot.cpu.percent, forKey: .cpu)
            try fields.encode(snapshot.memory.percent, forKey: .ram)
            try fields.encode(snapshot.disk.percent, forKey: .disk)
        case .sessionState(let state):
            try put("session_state")
            try state.encode(to: encoder)
        case .unknown(let type): try put(type)
        }
    }
}
