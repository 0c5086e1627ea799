internal import Foundation
internal import NIOCore
internal import Wire

// How does a file from the agent come to lie here? Under a name of its own until it is complete, and never in the place of one
// that is there, unless the user says so.

/// A file that is being fetched.
final class NewFile {
    /// Where it will be.
    let path: String
    private let temporary: String
    private let force: Bool
    private var descriptor: Int32

    /// - Parameters:
    ///   - output: a folder, or the file's path; nil is the current directory.
    ///   - name: what the agent calls it: one component.
    /// - Throws: ``CommandError``
    init(_ output: String?, named name: String, force: Bool) throws {
        var isFolder: ObjCBool = false
        let output = output ?? "."
        if output.hasSuffix("/")
            || (FileManager.default.fileExists(atPath: output, isDirectory: &isFolder) && isFolder.boolValue)
        {
            path = (output == "." ? "" : output.hasSuffix("/") ? output : output + "/") + FileName.safe(name)
        } else {
            path = output
        }
        self.force = force
        // Beside the file, so that it can be given its name; of its own length, as the file's may be the longest.
        let last = path.split(separator: "/").last ?? ""
        temporary = "\(path.dropLast(last.count)).openagent-\(UInt64.random(in: .min ... .max)).part"
        var status = stat()
        guard force || lstat(path, &status) != 0 else { throw Self.isThere(path) }
        descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Self.failed(path) }
    }

    func write(_ bytes: ByteBuffer) throws {
        try bytes.withUnsafeReadableBytes { all in
            var rest = all[...]
            while let start = UnsafeRawBufferPointer(rebasing: rest).baseAddress, !rest.isEmpty {
                let count = Glibc.write(descriptor, start, rest.count)
                if count >= 0 { rest = rest.dropFirst(count) } else if errno != EINTR { throw Self.failed(path) }
            }
        }
    }

    /// The file is complete: it gets its name.
    func finish() throws {
        guard fsync(descriptor) == 0 else { throw Self.failed(path) }
        close(descriptor)
        descriptor = -1
        if force {
            guard rename(temporary, path) == 0 else { throw Self.failed(path) }
            return
        }
        // Unlike a rename, a link never replaces what somebody else has put there meanwhile.
        guard link(temporary, path) == 0 else { throw errno == EEXIST ? Self.isThere(path) : Self.failed(path) }
        unlink(temporary)
    }

    func remove() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
        unlink(temporary)
    }

    private static func isThere(_ path: String) -> CommandError {
        CommandError(
            .usage, "\(path) is there already", hint: "name another place, or overwrite it with --force")
    }

    private static func failed(_ path: String) -> CommandError {
        CommandError(.failed, "cannot write \(path): \(String(cString: strerror(errno)))")
    }
}

/// How far a transfer is, in one line of the terminal's error output; nothing where that is no terminal.
final class ProgressLine {
    private let title: String
    private let total: Int64
    private let isShown = isatty(STDERR_FILENO) == 1
    private var percent = -1

    init(_ title: String, total: Int64) {
        self.title = title
        self.total = total
    }

    func show(_ count: Int64) {
        let percent = total > 0 ? Int(Double(count) / Double(total) * 100) : 100
        guard isShown, percent != self.percent else { return }
        self.percent = percent
        Output.writeError("\r\(title): \(percent) % of \(Transfer.size(total))")
    }

    /// Of something whose size nobody knows before its end.
    func count(_ count: Int64) {
        guard isShown, Int(count >> 20) != percent else { return }
        percent = Int(count >> 20)
        Output.writeError("\r\(title): \(percent) MiB")
    }

    func end() { if isShown, percent >= 0 { Output.writeError("\r\u{1B}[K") } }
}
