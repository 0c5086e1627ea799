internal import NIOCore

// What does an attacker say to the coordinator? The two calls of a login, written by hand (docs/protocol.md): an attacker
// computes no proof, because wrong ones cost the coordinator as much.

enum AttackerBytes {
    /// `login_init` with a public value that is as good as any.
    static func begin(handle: String) -> ByteBuffer {
        var value = [UInt8](repeating: 0x5A, count: 384)
        value[0] = 0x01
        return call("login_init", [("handle", text(handle)), ("ke1", bytes(value))])
    }

    /// `login_finish` with a wrong proof.
    static func finish(stateID: [UInt8], deviceKey: [UInt8]) -> ByteBuffer {
        let proof = [UInt8](repeating: UInt8(ascii: "0"), count: 64)
        return call(
            "login_finish",
            [
                ("state_id", text(String(decoding: stateID, as: UTF8.self))), ("ke3", bytes(proof)),
                ("device_pubkey", bytes(deviceKey)),
            ])
    }

    /// The id of the half-done login in an answer: 32 digits behind the key and the length.
    static func stateID(in answer: [UInt8]) -> [UInt8]? {
        guard let range = answer.firstRange(of: Array("state_id".utf8) + [0x78, 32]),
            answer.count >= range.upperBound + 32
        else { return nil }
        return Array(answer[range.upperBound..<range.upperBound + 32])
    }

    private static func call(_ method: String, _ parameters: [(String, [UInt8])]) -> ByteBuffer {
        let fields = [("id", text("x")), ("method", text(method)), ("params", map(parameters))]
        let message = map(fields)
        var frame = ByteBuffer()
        frame.writeInteger(UInt32(message.count))
        frame.writeBytes(message)
        return frame
    }

    // RFC 8949 §3.1, as far as it is needed.
    private static func head(_ major: UInt8, _ count: Int) -> [UInt8] {
        switch count {
        case ..<24: [major << 5 | UInt8(count)]
        case ..<256: [major << 5 | 24, UInt8(count)]
        default: [major << 5 | 25, UInt8(count >> 8), UInt8(count & 0xFF)]
        }
    }

    private static func text(_ text: String) -> [UInt8] { head(3, text.utf8.count) + Array(text.utf8) }
    private static func bytes(_ bytes: [UInt8]) -> [UInt8] { head(2, bytes.count) + bytes }
    private static func map(_ fields: [(String, [UInt8])]) -> [UInt8] {
        fields.reduce(head(5, fields.count)) { $0 + text($1.0) + $1.1 }
    }
}
