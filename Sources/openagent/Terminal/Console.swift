internal import Foundation
internal import Synchronization

// The terminal of a chat: one thread reads what the user types, with line editing while a prompt is shown and plainly
// while an answer streams (so that `/stop` can be typed into it), and everything that is printed goes through one lock,
// so that answers never garble the line that is being edited. It knows nothing of what is said.

/// The user's side of a chat: typed lines in, text out.
final class Console: Sendable {
    enum Input: Sendable {
        case line(String)
        /// Ctrl-C on the prompt. While an answer streams, Ctrl-C is the signal SIGINT.
        case interrupt
        case endOfInput
    }

    private struct State {
        /// The prompt is wanted: set by ``prompt()``, taken back when a line was read.
        var wantsPrompt = false
        /// Lines that were handed out and that the chat has not taken yet. Each brings a prompt of its own, at once or after
        /// its answer: one that is asked for meanwhile would stand in front of that answer.
        var untaken = 0
        /// libedit has the line: output goes through its thread.
        var editing = false
        var pending = ""
        var stopped = false
    }

    let input: AsyncStream<Input>
    private let inputEnd: AsyncStream<Input>.Continuation
    private let state = Mutex(State())
    private let wakeReader: Int32
    private let wakeWriter: Int32
    private let historyPath: String
    private let promptText: String
    private let isTerminal: Bool

    init(prompt: String, historyPath: String) throws {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw POSIXError(.EMFILE) }
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        (wakeReader, wakeWriter) = (ends[0], ends[1])
        (input, inputEnd) = AsyncStream.makeStream()
        promptText = prompt
        self.historyPath = historyPath
        isTerminal = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
    }

    deinit {
        close(wakeReader)
        close(wakeWriter)
    }

    /// Reads until the input ends or the task is cancelled. Run it in a task of the chat.
    func run() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let thread = Thread { [self] in
                    readInput()
                    inputEnd.finish()
                    continuation.resume()
                }
                thread.name = "console"
                thread.start()
            }
        } onCancel: {
            state.withLock { $0.stopped = true }
            wake()
        }
    }

    /// Asks for the next line, unless one is there that the chat has not taken yet.
    func prompt() {
        state.withLock { $0.wantsPrompt = $0.untaken == 0 }
        wake()
    }

    /// The chat says that it has a line of ``input`` in hand; ``prompt()`` follows when it is done with it.
    func tookLine() {
        state.withLock { $0.untaken -= 1 }
    }

    /// Prints `text` as it is; above the edited line when there is one, and there only in whole lines: what has no newline
    /// yet waits for it, else the prompt would be drawn over it.
    func write(_ text: String) {
        let editing = state.withLock { state in
            if state.editing {
                state.pending += text
            } else {
                Output.write(text)
            }
            return state.editing
        }
        if editing { wake() }
    }

    private func wake() {
        var byte: UInt8 = 1
        _ = Foundation.write(wakeWriter, &byte, 1)
    }

    // MARK: The input thread

    private func readInput() {
        let editor =
            isTerminal
            ? LineEditor(prompt: promptText, historyPath: historyPath, nextKey: { [unowned self] in nextKey() }) : nil
        var line = [UInt8]()
        while true {
            let wantsPrompt = state.withLock { state in
                if state.stopped { return false }
                state.editing = state.wantsPrompt && editor != nil && line.isEmpty
                return state.editing
            }
            if state.withLock({ $0.stopped }) { return }
            if wantsPrompt, let editor {
                let result = editor.readLine()
                // What is printed next, here or by the shell, begins a line of its own.
                if case .line = result {} else { Output.write("\n") }
                let late = state.withLock { state in
                    defer { (state.editing, state.wantsPrompt, state.pending) = (false, false, "") }
                    return state.pending
                }
                let stopped = state.withLock { $0.stopped }
                // A line that was not complete is shown before the program says its last.
                let isCut = stopped && late.last?.isNewline == false
                if !late.isEmpty { write(isCut ? late + "\n" : late) }
                if stopped { return }
                switch result {
                case .line(let text): hand(text)
                case .interrupted: inputEnd.yield(.interrupt)
                case .endOfInput:
                    inputEnd.yield(.endOfInput)
                    return
                }
                continue
            }
            switch nextKey() {
            case .output: continue
            case .endOfInput:
                if !line.isEmpty { hand(String(decoding: line, as: UTF8.self)) }
                inputEnd.yield(.endOfInput)
                return
            // What was typed right behind an edited line comes as the keys, which the terminal then did not translate.
            case .byte(UInt8(ascii: "\n")),
                .byte(UInt8(ascii: "\r")) where editor != nil:
                hand(String(decoding: line, as: UTF8.self))
                line.removeAll()
            case .byte(0x03) where editor != nil:
                line.removeAll()
                inputEnd.yield(.interrupt)
            case .byte(0x04) where editor != nil && line.isEmpty:
                inputEnd.yield(.endOfInput)
                return
            case .byte(let byte): line.append(byte)
            }
        }
    }

    private func hand(_ line: String) {
        state.withLock { state in
            state.wantsPrompt = false
            state.untaken += 1
        }
        inputEnd.yield(.line(line))
    }

    /// Blocks until a byte was typed, there is text to print, or the state changed (an empty `output`).
    private func nextKey() -> LineEditor.Key {
        while true {
            var waits = [
                pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
                pollfd(fd: wakeReader, events: Int16(POLLIN), revents: 0),
            ]
            guard poll(&waits, 2, -1) > 0 else { continue }
            if waits[1].revents != 0 {
                var drain = [UInt8](repeating: 0, count: 64)
                while read(wakeReader, &drain, drain.count) > 0 {}
                let (text, stopped) = state.withLock { state in
                    let end = state.pending.lastIndex(where: \.isNewline).map { state.pending.index(after: $0) }
                    let text = end.map { String(state.pending[..<$0]) } ?? ""
                    state.pending.removeFirst(text.count)
                    return (text, state.stopped)
                }
                return stopped ? .endOfInput : .output(text)
            }
            var byte: UInt8 = 0
            return read(STDIN_FILENO, &byte, 1) == 1 ? .byte(byte) : .endOfInput
        }
    }
}
