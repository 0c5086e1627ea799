internal import Foundation
internal import Logging
internal import NIOCore
internal import Wire

// How does a file of a user get to the agent? From the platform into a folder of the bridge, bounded while it is read, and from there to
// the agent, which gives it an id. A voice note becomes text. Asked only for somebody who may talk.

struct InboundFiles: Sendable {
    /// What became of a message's files.
    struct Taken: Sendable {
        var attachments: [Attachment] = []
        /// What was said in voice notes.
        var spoken: [String] = []
        /// What the user is to be told.
        var notices: [String] = []
    }

    /// What runs when somebody opens it.
    static let blocked: Set<String> = [
        "exe", "bat", "cmd", "com", "msi", "scr", "pif", "vbs", "vbe", "jse", "ws", "wsf", "wsh", "ps1", "hta", "cpl",
        "lnk", "reg", "jar",
    ]
    /// With one message.
    static let mostFiles = 32
    private static let attempts = 4
    /// Bytes of a voice note that the agent listens to.
    private static let longestVoice: Int64 = 25 << 20

    private let frame: BridgeFrame

    init(_ frame: BridgeFrame) { self.frame = frame }

    func take(_ files: [InboundFile]) async throws -> Taken {
        var taken = Taken()
        for file in files.prefix(Self.mostFiles) { try await take(file, &taken) }
        for file in files.dropFirst(Self.mostFiles) {
            taken.notices.append(Words.notReceived(FileName.safe(file.name)))
        }
        return taken
    }

    private func take(_ file: InboundFile, _ taken: inout Taken) async throws {
        let name = FileName.safe(file.name)
        guard !Self.isBlocked(name) else { return taken.notices.append(Words.blocked(name)) }
        let limit = frame.limits.largestInboundFile
        guard file.size.map({ $0 <= limit }) ?? true else {
            return taken.notices.append(Words.tooLargeToTake(name, limit: limit))
        }
        do {
            let folder = try BridgeFolder.make(in: frame.temporary)
            defer { BridgeFolder.remove(folder) }
            let path = folder + "/" + name
            let size = try await fetch(file, to: path, limit: limit)
            if file.isVoice {
                taken.spoken.append(try await text(of: path, size, file))
            } else {
                taken.attachments.append(try await upload(path, file))
            }
        } catch is TooLarge {
            taken.notices.append(Words.tooLargeToTake(name, limit: limit))
        } catch let error where !(error is CancellationError) {
            try Task.checkCancellation()
            frame.logger.warning("bridge::file_not_received", metadata: ["error": "\(error)"])
            taken.notices.append(Words.notReceived(name))
        }
    }

    static func isBlocked(_ name: String) -> Bool {
        guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")) else { return false }
        return blocked.contains(name[name.utf8.index(after: dot)...].lowercased())
    }

    private struct TooLarge: Error {}

    /// - Returns: how many bytes there are.
    private func fetch(_ file: InboundFile, to path: String, limit: Int64) async throws -> Int64 {
        var failures = 0
        while true {
            do {
                let writer = try FileWriter(path, limit: limit)
                try await file.fetch { bytes in
                    guard try writer.write(bytes) else { throw TooLarge() }
                }
                return writer.size
            } catch PlatformFailure.wait(let duration, _) {
                failures += 1
                guard failures < Self.attempts else { throw PlatformFailure.unavailable("asked to wait too often") }
                try await frame.seams.sleep(duration)
            } catch PlatformFailure.unavailable(let reason) {
                failures += 1
                guard failures < Self.attempts else { throw PlatformFailure.unavailable(reason) }
                try await frame.seams.pause(after: failures)
            }
        }
    }

    /// Waits for an agent that can't be reached: the message is not confirmed to the platform before.
    private func upload(_ path: String, _ file: InboundFile) async throws -> Attachment {
        let upload = try FileUpload(path: path)
        var failures = 0
        while true {
            do {
                var attachment = try await frame.agent.client.upload(upload).attachment
                if let type = file.mimeType, !type.isEmpty { attachment.kind = MediaType.kind(of: type) }
                return attachment
            } catch let error where error is GatewayClientError || error is AgentUnreachable {
                failures += 1
                try await frame.seams.pause(after: failures)
            }
        }
    }

    private func text(of path: String, _ size: Int64, _ file: InboundFile) async throws -> String {
        guard size > 0, size <= Self.longestVoice else { return Words.untranscribed }
        let audio = ByteBuffer(bytes: try Data(contentsOf: URL(fileURLWithPath: path)))
        let named = MediaType.of(path)
        let type = [file.mimeType ?? "", named].first { $0.hasPrefix("audio/") } ?? "audio/ogg"
        return try await frame.agent.text(of: audio, type: type) ?? Words.untranscribed
    }
}
