internal import Foundation
internal import Wire

extension ServerMessage {
    /// The message as the JSON text of one frame.
    var frame: String {
        // Every field is text or a number, which JSON can always say.
        guard let data = try? Self.encoder.encode(self) else { return #"{"type":"error","code":"internal","text":""}"# }
        return String(decoding: data, as: UTF8.self)
    }

    /// Made once: frames are many.
    private static let encoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }()
}
