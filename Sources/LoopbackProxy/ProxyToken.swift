internal import Glibc

// Who on this machine may use the proxy? Whoever can read the token's file. This file makes, keeps and compares the token.

/// A secret that local clients show. Never printed; only its file holds it.
public struct ProxyToken: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Random bytes behind a token.
    private static let entropy = 32

    private let text: [UInt8]

    /// - Parameter text: 16 to 256 characters that need no escaping in a URL or a header.
    /// - Throws: ``ProxyTokenError/malformed(path:)`` otherwise.
    public init(_ text: String) throws(ProxyTokenError) {
        let bytes = Array(text.utf8)
        guard (16...256).contains(bytes.count), bytes.allSatisfy(Self.isPlain) else { throw .malformed(path: nil) }
        self.text = bytes
    }

    /// The token for a client that has to show it. Not for logs.
    public var secret: String { String(decoding: text, as: UTF8.self) }

    public var description: String { "ProxyToken(hidden)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: [:]) }

    /// Whether `other` is the token. Takes the same time wherever they differ.
    func matches(_ other: some Collection<UInt8>) -> Bool {
        guard other.count == text.count else { return false }
        var difference: UInt8 = 0
        for (mine, theirs) in zip(text, other) { difference |= mine ^ theirs }
        return difference == 0
    }

    /// Letters, digits and `-._~`: what a URL and a header carry as it is.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// Reads the token at `path`, or makes one there (mode 0600). The same after every restart; two processes that start
    /// together agree on one.
    public static func loadOrCreate(path: String) throws(ProxyTokenError) -> ProxyToken {
        do { return try load(path: path) } catch .notFound {}
        var generator = SystemRandomNumberGenerator()
        var text = ""
        for _ in 0..<entropy {
            let byte = UInt8.random(in: .min ... .max, using: &generator)
            text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        let temporary = "\(path).\(getpid()).\(UInt32.random(in: .min ... .max)).new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .file(path: path, operation: "create", code: errno) }
        defer { unlink(temporary) }
        let line = Array((text + "\n").utf8)
        let isWritten = write(descriptor, line, line.count) == line.count && fsync(descriptor) == 0
        let code = errno
        close(descriptor)
        guard isWritten else { throw .file(path: path, operation: "write", code: code) }
        guard link(temporary, path) == 0 else {
            if errno == EEXIST { return try load(path: path) }
            throw .file(path: path, operation: "create", code: errno)
        }
        return try ProxyToken(text)
    }

    private static func load(path: String) throws(ProxyTokenError) -> ProxyToken {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            throw errno == ENOENT ? .notFound : .file(path: path, operation: "open", code: errno)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .file(path: path, operation: "stat", code: errno) }
        guard status.st_mode & 0o077 == 0 else {
            throw .readableByOthers(path: path, mode: status.st_mode & 0o777)
        }
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw .file(path: path, operation: "read", code: errno) }
        var text = bytes.prefix(count)
        if text.last == UInt8(ascii: "\n") { text.removeLast() }
        do { return try ProxyToken(String(decoding: text, as: UTF8.self)) } catch { throw .malformed(path: path) }
    }
}

/// Why there is no token.
public enum ProxyTokenError: Error, Equatable, CustomStringConvertible {
    case notFound
    case malformed(path: String?)
    case readableByOthers(path: String, mode: UInt32)
    case file(path: String, operation: String, code: Int32)

    public var description: String {
        switch self {
        case .notFound: "there is no token file"
        case .malformed(let path):
            "\(path ?? "the token") is not 16 to 256 letters, digits or '-._~'; delete the file to have a new one made"
        case .readableByOthers(let path, let mode):
            "\(path) can be read by group or others (mode \(String(mode, radix: 8))): "
                + "delete it to have a new token made"
        case .file(let path, let operation, let code):
            "cannot \(operation) \(path): \(String(cString: strerror(code)))"
        }
    }
}
