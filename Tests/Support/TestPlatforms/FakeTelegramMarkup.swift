// What do people see of a text in Telegram's HTML?

enum FakeTelegramMarkup {
    struct Problem: Error { var reason: String }

    static func shown(_ html: String) -> Result<String, Problem> { .success(html) }
}
