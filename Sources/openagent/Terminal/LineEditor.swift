internal import CEdit
internal import Foundation

// One edited line of terminal input, with history: the thin layer over libedit. It knows no chat. An instance belongs to
// the one thread that made it.

/// libedit, with keys of ours: Ctrl-C gives ``Result/interrupted``, Ctrl-D on an empty line ``Result/endOfInput``.
final class LineEditor {
    enum Result {
        case line(String)
        case interrupted
        case endOfInput
    }

    /// What a wait for the next key brought.
    enum Key {
        case byte(UInt8)
        /// Whole lines to show above the line that is being edited; empty when there is none.
        case output(String)
        case endOfInput
    }

    private let editor: OpaquePointer
    private let history: OpaquePointer?
    private let historyPath: String
    private let prompt: UnsafeMutablePointer<CChar>
    private let nextKey: () -> Key
    private var interrupted = false

    /// - Parameters:
    ///   - historyPath: kept between runs, mode 0600.
    ///   - nextKey: blocks until something happens; called on the thread of ``readLine()``.
    /// - Returns: nil when standard input is no terminal that libedit can drive.
    init?(prompt: String, historyPath: String, nextKey: @escaping () -> Key) {
        // libedit converts lines by the locale; a prompt or a line that it cannot convert would crash it.
        guard setlocale(LC_CTYPE, "C.UTF-8") != nil, let editor = cedit_init("openagent") else { return nil }
        self.editor = editor
        self.prompt = strdup(prompt)
        self.historyPath = historyPath
        self.nextKey = nextKey
        history = cedit_history_init(editor, 1000)
        cedit_set_client_data(editor, Unmanaged.passUnretained(self).toOpaque())
        cedit_set_prompt(editor, editorPrompt)
        cedit_set_reader(editor, readKey)
        cedit_set_keys(editor, interruptLine)
        if let history { _ = cedit_history_load(history, historyPath) }
    }

    deinit {
        el_end(editor)
        if let history { history_end(history) }
        free(prompt)
    }

    /// Shows the prompt and lets the user edit a line.
    func readLine() -> Result {
        interrupted = false
        el_resize(editor)
        cedit_prepare(editor)
        var count: Int32 = 0
        guard let text = el_gets(editor, &count), count > 0 else { return interrupted ? .interrupted : .endOfInput }
        if interrupted {
            el_reset(editor)
            return .interrupted
        }
        var line = String(cString: text)
        while line.last?.isNewline == true { line.removeLast() }
        if let history, !line.allSatisfy(\.isWhitespace) {
            cedit_history_add(history, line)
            saveHistory(history)
        }
        return .line(line)
    }

    private func saveHistory(_ history: OpaquePointer) {
        let previous = umask(0o077)
        _ = cedit_history_save(history, historyPath)
        umask(previous)
    }

    fileprivate static func of(_ editor: OpaquePointer?) -> LineEditor? {
        guard let editor, let data = cedit_client_data(editor) else { return nil }
        return Unmanaged<LineEditor>.fromOpaque(data).takeUnretainedValue()
    }

    fileprivate var promptText: UnsafeMutablePointer<CChar> { prompt }

    fileprivate func interrupt() { interrupted = true }

    /// The next character of the line; text that arrives meanwhile is shown above it.
    fileprivate func readCharacter(into character: UnsafeMutablePointer<wchar_t>) -> Int32 {
        var pending = [UInt8]()
        while true {
            switch nextKey() {
            case .endOfInput: return 0
            case .output(""): continue
            case .output(let text):
                Output.write("\r\u{1B}[K\(text)")
                cedit_refresh(editor)
            case .byte(let byte):
                pending.append(byte)
                var decoder = UTF8()
                var bytes = pending.makeIterator()
                if case .scalarValue(let scalar) = decoder.decode(&bytes) {
                    character.pointee = wchar_t(scalar.value)
                    return 1
                }
                if pending.count == 4 { pending.removeAll() }
            }
        }
    }
}

// libedit's callbacks are C functions: they find their editor in its client data.

private func editorPrompt(_ editor: OpaquePointer?) -> UnsafeMutablePointer<CChar>? {
    LineEditor.of(editor)?.promptText
}

private func readKey(_ editor: OpaquePointer?, _ character: UnsafeMutablePointer<wchar_t>?) -> Int32 {
    guard let character, let owner = LineEditor.of(editor) else { return 0 }
    return owner.readCharacter(into: character)
}

private func interruptLine(_ editor: OpaquePointer?, _ key: Int32) -> UInt8 {
    LineEditor.of(editor)?.interrupt()
    return UInt8(CC_NEWLINE)
}
