internal import Foundation
internal import Logging
internal import NIOCore
internal import Wire

// How does a file of the agent get to the platform? It is fetched in the moment in which it is sent, so that the outbox holds names and no
// bytes. What the platform doesn't take is said in words.

struct OutboundFiles: Sendable {
    private let frame: BridgeFrame

    init(_ frame: BridgeFrame) { self.frame = frame }

    /// - Throws: ``PlatformFailure``, `CancellationError`.
    func send(_ file: StoredAttachment, at place: ChatPlace, key: String) async throws {
        let limit = frame.limits.largestOutboundFile
        if let size = file.size, size > limit {
            return try await say(Words.tooLargeToSend(file.name, size: size, limit: limit), file, place, key)
        }
        guard let id = file.id else { return try await say(Words.notSent(file.name), file, place, key) }
        let folder = try makeFolder()
        defer { BridgeFolder.remove(folder) }
        let path = folder + "/" + file.name
        let size: Int64
        do {
            let writer = try FileWriter(path, limit: limit)
            size = try await frame.agent.client.download(
                id, begin: { if $0.size > limit { throw TooLarge(size: $0.size) } },
                write: { bytes in
                    // It was asked before; an agent that sends more than it said is not to be believed.
                    guard try writer.write(Data(bytes.readableBytesView)) else { throw TooLarge(size: limit) }
                }
            ).size
        } catch let error as TooLarge {
            return try await say(Words.tooLargeToSend(file.name, size: error.size, limit: limit), file, place, key)
        } catch let error as FileTransferError {
            frame.logger.warning("bridge::file_not_sent", metadata: ["error": "\(error)"])
            return try await say(Words.notSent(file.name), file, place, key)
        } catch let error where error is GatewayClientError || error is AgentUnreachable {
            throw PlatformFailure.unavailable("\(error)")
        }
        let outbound = OutboundFile(
            kind: file.kind, name: file.name, mimeType: file.mimeType, size: size, path: path, replyTo: file.replyTo)
        do {
            _ = try await frame.perform(.file(outbound), at: place, key: key)
        } catch PlatformFailure.refused(let reason) {
            frame.logger.warning("bridge::file_not_sent", metadata: ["error": "\(reason)"])
            try await say(Words.notSent(file.name), file, place, key)
        }
    }

    /// The answer as a voice note; without one when the agent has no voice.
    ///
    /// - Throws: ``PlatformFailure``, `CancellationError`.
    func speak(_ text: String, replyTo: String?, at place: ChatPlace, key: String) async throws {
        let spoken = Splitting.pieces(of: text, limit: 12_000, unit: .scalars).first ?? text
        guard let (audio, type) = try? await frame.agent.speech(spoken) else { return try Task.checkCancellation() }
        let folder = try makeFolder()
        defer { BridgeFolder.remove(folder) }
        let name = "answer." + Self.ending(of: type)
        let path = folder + "/" + name
        let size = Int64(audio.readableBytes)
        guard size <= frame.limits.largestOutboundFile,
            let writer = try? FileWriter(path, limit: size), (try? writer.write(Data(audio.readableBytesView))) == true
        else { return }
        do {
            _ = try await frame.perform(
                .file(
                    OutboundFile(
                        kind: .voice, name: name, mimeType: type, size: size, path: path, replyTo: replyTo)),
                at: place, key: key)
        } catch PlatformFailure.refused(let reason) {
            // The text says the same.
            frame.logger.warning("bridge::file_not_sent", metadata: ["error": "\(reason)"])
        }
    }

    private struct TooLarge: Error { let size: Int64 }

    private func say(_ text: String, _ file: StoredAttachment, _ place: ChatPlace, _ key: String) async throws {
        _ = try await frame.perform(
            .send(OutboundText(text, replyTo: file.replyTo)), at: place, key: key + ":words")
    }

    private func makeFolder() throws(PlatformFailure) -> String {
        do { return try BridgeFolder.make(in: frame.temporary) } catch {
            throw .unavailable("no room for a file: \(error.localizedDescription)")
        }
    }

    private static func ending(of type: String) -> String {
        switch type.split(separator: ";").first.map(String.init) ?? type {
        case "audio/mpeg", "audio/mp3": "mp3"
        case "audio/ogg", "audio/opus": "ogg"
        case "audio/mp4", "audio/m4a": "m4a"
        case "audio/flac": "flac"
        default: "wav"
        }
    }
}
