internal import Foundation

// With which program does this person change a text? `$VISUAL`, else `$EDITOR`, else vi.

enum Editor {
    /// Returns when the editor has ended.
    ///
    /// - Throws: ``CommandError`` when it failed.
    static func open(_ file: String) throws {
        let environment = ProcessInfo.processInfo.environment
        let editor = environment["VISUAL"] ?? environment["EDITOR"] ?? "vi"
        let process = Process()
        // An editor may be given with arguments; the file is one of its own and is never read by the shell.
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-c", "\(editor) \"$1\"", "sh", file]
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw CommandError(
                .failed, "the editor '\(editor)' failed, and nothing was changed", hint: "set EDITOR to another one")
        }
    }
}
