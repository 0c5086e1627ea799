internal import Wire

// Which files travel with a message, and by which method is one sent? Names and types are what the sender says. Pure.

enum TelegramFiles {
    /// Bytes that a bot can fetch (`getFile`).
    static let largestInbound: Int64 = 20 << 20
    /// Bytes that a bot can send.
    static let largestOutbound: Int64 = 50 << 20
    /// Bytes of what is shown as a photo.
    private static let largestPhoto: Int64 = 10 << 20

    typealias Fetch =
        @Sendable (_ file: String, _ write: @Sendable ([UInt8]) async throws -> Void) async throws -> Void

    // MARK: In

    /// The files of a message. An animation is also a document, and a video with its own player is a video.
    static func of(_ message: TelegramObject, _ fetch: @escaping Fetch) -> [InboundFile] {
        if let photo = message.list("photo").max(by: { area($0) < area($1) }) {
            return [file(photo, named: "photo.jpg", type: "image/jpeg", fetch)].compactMap { $0 }
        }
        let kinds: [(field: String, name: String, type: String?)] = [
            ("voice", "voice.ogg", "audio/ogg"), ("audio", "audio.mp3", "audio/mpeg"),
            ("video", "video.mp4", "video/mp4"),
            ("video_note", "video_note.mp4", "video/mp4"), ("document", "document", nil),
        ]
        for kind in kinds {
            guard let object = message[kind.field] else { continue }
            let found = file(object, named: kind.name, type: kind.type, isVoice: kind.field == "voice", fetch)
            return [found].compactMap { $0 }
        }
        return []
    }

    private static func area(_ photo: TelegramObject) -> Int64 {
        (photo.number("width") ?? 0).multipliedReportingOverflow(by: photo.number("height") ?? 0).partialValue
    }

    private static func file(
        _ object: TelegramObject, named name: String, type: String?, isVoice: Bool = false, _ fetch: @escaping Fetch
    ) -> InboundFile? {
        guard let id = object.text("file_id") else { return nil }
        return InboundFile(
            name: object.text("file_name") ?? name, mimeType: object.text("mime_type") ?? type,
            size: object.number("file_size"), isVoice: isVoice
        ) { write in try await fetch(id, write) }
    }

    /// `name`, or with a number when there is such a file already.
    static func unused(_ name: String, beside others: [String]) -> String {
        guard others.contains(name) else { return name }
        let dot = name.lastIndex(of: ".").flatMap { $0 == name.startIndex ? nil : $0 } ?? name.endIndex
        var (number, candidate) = (1, name)
        while others.contains(candidate) {
            number += 1
            candidate = "\(name[..<dot])-\(number)\(name[dot...])"
        }
        return candidate
    }

    // MARK: Out

    /// How a file is sent.
    struct Sending: Sendable, Equatable {
        var method: String
        /// The part of the form that holds the file.
        var field: String

        /// Anything can be sent so.
        static let document = Sending(method: "sendDocument", field: "document")
    }

    static func sending(_ file: OutboundFile) -> Sending {
        let type = file.mimeType ?? MediaType.of(file.name)
        let end = file.name.lastIndex(of: ".").map { file.name[file.name.index(after: $0)...].lowercased() }
        switch file.kind {
        case .image:
            let isShown = ["image/jpeg", "image/png", "image/webp"].contains(type) && file.size <= largestPhoto
            return isShown ? Sending(method: "sendPhoto", field: "photo") : .document
        case .voice:
            if ["ogg", "oga", "opus"].contains(end) { return Sending(method: "sendVoice", field: "voice") }
            return ["mp3", "m4a"].contains(end) ? Sending(method: "sendAudio", field: "audio") : .document
        case .video: return type == "video/mp4" ? Sending(method: "sendVideo", field: "video") : .document
        case .file: return .document
        }
    }
}
