// How is the agent to speak? A word of the configuration becomes a sentence in front of what the user says.

enum Personality {
    private static let presets = [
        "casual": "Speak casually, like a friend.",
        "technical": "Speak like an engineer to an engineer: exact and brief.",
        "teacher": "Speak like a patient teacher: step by step, with examples.",
        "kawaii": "Speak in a cute and cheerful way.",
        "pirate": "Speak like a pirate.",
        "noir": "Speak like the detective of a film noir.",
        "philosopher": "Speak like a philosopher who ponders each question.",
    ]

    /// - Parameter personality: a preset's name or words of the admin's own.
    static func text(_ text: String, _ personality: String?) -> String {
        guard let personality, !personality.isEmpty else { return text }
        return "[\(presets[personality.lowercased()] ?? personality)]\n\n\(text)"
    }
}
