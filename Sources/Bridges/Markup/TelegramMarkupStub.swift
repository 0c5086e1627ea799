enum TelegramMarkup { static func html(_ markdown: String) -> String { markdown.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;") } }
