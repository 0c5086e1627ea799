// TEMP until branch markup has it
enum DiscordMarkup { static func text(_ markdown: String) -> String { markdown } }
