internal import Agent
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Wire

// What do speech and text sound and read like, outside of any conversation? `POST /api/tts/synthesize` and
// `POST /api/stt/transcribe` (rest.md §13).

enum VoiceRoutes {
    static func routes(_ voice: Voice) -> [Route] {
        [
            .member(.post, "/api/tts/synthesize", .synthesize, announces: .nothing(because: "nothing is kept")) {
                request, context, _ in
                let body = try await request.decode(as: SpeechRequest.self, context: context)
                guard let text = body.text, !text.allSatisfy(\.isWhitespace) else {
                    throw ErrorResponse.invalid("text is required")
                }
                return try await synthesize(text, language: body.language, voice, context)
            },
            .member(.post, "/api/stt/transcribe", .transcribe, announces: .nothing(because: "nothing is kept")) {
                request, context, _ in
                do {
                    return try await voice.taking.withSlot { try await transcribe(request, voice, context) }
                } catch let error as Slots.Full {
                    throw failure(error, "", context)
                }
            },
        ]
    }

    private static func synthesize(
        _ text: String, language: String?, _ voice: Voice, _ context: GatewayContext
    ) async throws -> Response {
        guard text.utf8.count <= voice.limits.textLength else { throw ErrorResponse.tooLarge }
        guard let backend = voice.textToSpeech else {
            throw ErrorResponse(
                status: .notFound, code: .unavailable, message: "This agent does not speak.",
                hint: "Set tts.command in its openagent.yaml.")
        }
        do {
            let audio = try await voice.speaking.withSlot { try await backend.speech(for: text, language: language) }
            return Response(
                status: .ok, headers: [.contentType: audio.format.mime],
                body: .init(byteBuffer: ByteBuffer(bytes: audio.bytes)))
        } catch {
            throw failure(error, "The text could not be spoken.", context)
        }
    }

    private static func transcribe(
        _ request: Request, _ voice: Voice, _ context: GatewayContext
    ) async throws -> Response {
        guard let backend = voice.speechToText else {
            throw ErrorResponse(
                status: .notFound, code: .unavailable, message: "This agent understands no speech.",
                hint: "Set stt.command in its openagent.yaml.")
        }
        let (audio, kind) = try await recording(request, longest: voice.limits.utteranceLength)
        let recording = Recording(bytes: audio, fileExtension: kind, language: try request.queryValue("lang"))
        let text: String
        do {
            text = try await voice.hearing.withSlot { try await backend.text(of: recording) }
        } catch {
            throw failure(error, "The speech could not be recognised.", context)
        }
        guard !text.isEmpty else {
            throw ErrorResponse(status: .notFound, code: .invalid, message: "nothing was understood")
        }
        return try JSON.response(RecognisedText(text: text))
    }

    /// What the body brings: audio, or a form with a file of it.
    ///
    /// - Parameter longest: bytes of the audio.
    private static func recording(
        _ request: Request, longest: Int
    ) async throws -> (bytes: [UInt8], kind: String) {
        let type = request.headers[.contentType] ?? ""
        if type.lowercased().hasPrefix("multipart/") { return try await part(request, type, longest: longest) }
        guard let kind = audioKind(type) else {
            throw ErrorResponse.invalid(
                "The body is audio: send it with a Content-Type such as audio/wav, or as the file of a form.")
        }
        let bytes = try await request.body.collect(upTo: longest)
        guard bytes.readableBytes > 0 else { throw ErrorResponse.invalid("There is no audio in the body.") }
        return (Array(buffer: bytes), kind)
    }

    /// The first file of a form.
    private static func part(
        _ request: Request, _ type: String, longest: Int
    ) async throws -> (bytes: [UInt8], kind: String) {
        let noFile = ErrorResponse.invalid("No file", hint: "Send multipart/form-data with a file of audio.")
        guard var reader = MultipartReader(contentType: type) else { throw noFile }
        var (kind, bytes, unused) = (nil as String?, [UInt8](), 0)
        do {
            for try await piece in request.body {
                for event in try reader.read(piece) {
                    switch event {
                    case .part(let header):
                        guard let name = UploadRoutes.fileName(header) else { continue }
                        kind = audioKind(header.fields["content-type"]) ?? audioKind(ofFile: name)
                        guard kind != nil else {
                            throw ErrorResponse.invalid("The file is no audio, by its type and by its name.")
                        }
                    case .data(let data):
                        guard kind != nil else {
                            unused += data.readableBytes
                            guard unused <= UploadRoutes.formOverhead else { throw MultipartError.malformed }
                            continue
                        }
                        guard bytes.count + data.readableBytes <= longest else { throw ErrorResponse.tooLarge }
                        bytes += data.readableBytesView
                    case .endOfPart:
                        guard let kind else { continue }
                        guard !bytes.isEmpty else { throw ErrorResponse.invalid("There is no audio in the file.") }
                        return (bytes, kind)
                    case .end: throw noFile
                    }
                }
            }
            try reader.finish()
        } catch is MultipartError {
            throw ErrorResponse(
                status: .badRequest, code: .badMessage, message: "The form is broken or not complete.")
        }
        throw noFile
    }

    /// The extension of a name that is one of audio; nil for another one.
    private static func audioKind(ofFile name: String) -> String? {
        guard let end = name.lastIndex(of: ".") else { return nil }
        let kind = name[name.index(after: end)...].lowercased()
        return ["webm", "ogg", "mp3", "wav", "m4a", "opus", "flac"].contains(kind) ? kind : nil
    }

    /// The file extension of a media type of audio; nil for another one.
    static func audioKind(_ contentType: String?) -> String? {
        let type = (contentType ?? "").prefix { $0 != ";" && $0 != " " }.lowercased()
        guard type.hasPrefix("audio/") else { return nil }
        return switch type.dropFirst("audio/".count) {
        case "mpeg", "mpg", "mp3": "mp3"
        case "x-wav", "wave", "vnd.wave", "wav": "wav"
        case "mp4", "x-m4a", "m4a": "m4a"
        case let other: Utterance.fileExtension(other.hasPrefix("x-") ? String(other.dropFirst(2)) : String(other))
        }
    }

    /// Why it failed is for the log alone.
    private static func failure(_ error: any Error, _ message: String, _ context: GatewayContext) -> ErrorResponse {
        if error is Slots.Full {
            return ErrorResponse(
                status: .serviceUnavailable, code: .unavailable, message: "Too much speech is waiting.",
                hint: "Try again in a moment.")
        }
        context.logger.warning("voice::request_failed", metadata: ["error": "\(error)"])
        return ErrorResponse(
            status: .badGateway, code: .unavailable, message: message, hint: "The server's log says why.")
    }
}
