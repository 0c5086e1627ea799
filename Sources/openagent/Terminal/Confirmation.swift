// Does the person really mean it? Asked before what cannot be taken back; a script says so beforehand.

enum Confirmation {
    /// Goes on only after a yes.
    ///
    /// - Parameters:
    ///   - question: what is about to happen, as a question.
    ///   - given: `--yes` was.
    /// - Throws: ``CommandError`` after anything else than a yes, and where nobody can be asked.
    static func ask(_ question: String, given: Bool) throws {
        if given { return }
        guard Screen.isInteractive else {
            throw CommandError(
                .usage, "this needs a confirmation and there is no terminal to ask on", hint: "add --yes")
        }
        Output.write("\(Screen.plain(question)) [y/N] ")
        let line = Input.line()
        if line == nil { Output.write("\n") }
        let answer = line?.lowercased().filter { !$0.isWhitespace }
        guard answer == "y" || answer == "yes" else {
            throw CommandError(.failed, "nothing was changed", hint: "answer y to go on, or add --yes")
        }
    }
}
