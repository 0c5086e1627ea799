// What does a provider call our tools and their calls? As we do where it may; names and ids that it would refuse get others, the same ones
// each time, and the way back is known.

/// Names of tools as providers take them: at most 64 letters, digits, `_` and `-`, beginning with a letter or `_`.
struct ToolNames: Sendable {
    private var sent: [String: String] = [:]
    private var known: [String: String] = [:]

    init(_ request: ModelRequest) {
        for tool in request.tools { add(tool.fullName) }
        // Tools that are no longer offered stand in what was said before.
        for message in request.messages {
            switch message {
            case .assistant(_, let calls): for call in calls { add(call.name) }
            case .tool(_, let name, _): add(name)
            case .user: break
            }
        }
    }

    private mutating func add(_ name: String) {
        guard sent[name] == nil else { return }
        var short = name
        if !Self.isFine(name) || known[name] != nil {
            let letters = name.utf8.map { Self.isAllowed($0) ? Character(Unicode.Scalar($0)) : "_" }
            short = "t_" + String(letters.prefix(48)) + "_" + StableHash.hex(name).prefix(12)
        }
        sent[name] = short
        known[short] = name
    }

    func sent(_ name: String) -> String { sent[name] ?? name }

    /// What a model asked for; a name that was never sent stays as it is.
    func meant(_ name: String) -> String { known[name] ?? name }

    private static func isFine(_ name: String) -> Bool {
        guard let first = name.utf8.first, isLetter(first) || first == UInt8(ascii: "_") else { return false }
        return name.utf8.count <= 64 && name.utf8.allSatisfy(isAllowed)
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (65...90).contains(byte) || (97...122).contains(byte) }
    fileprivate static func isAllowed(_ byte: UInt8) -> Bool {
        isLetter(byte) || (48...57).contains(byte) || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
    }
}

/// Ids of calls as providers take them.
enum CallID {
    /// At most 40 letters, digits, `_` and `-`.
    static func usual(_ id: String) -> String {
        let isFine = (1...40).contains(id.utf8.count) && id.utf8.allSatisfy(ToolNames.isAllowed)
        return isFine ? id : "call_" + StableHash.hex(id)
    }

    /// Mistral takes nine letters and digits, no more and no less.
    static func mistral(_ id: String) -> String {
        let isFine = id.utf8.count == 9 && id.utf8.allSatisfy { ToolNames.isAllowed($0) && $0 != 95 && $0 != 45 }
        return isFine ? id : String(StableHash.hex(id).prefix(9))
    }
}

/// FNV-1a with 64 bits: the same in every process. It keeps names apart; it protects nothing.
private enum StableHash {
    static func hex(_ text: String) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
