internal import NIOCore

// Did the agent accept the upgrade? Reads the agent's bytes up to the end of the answer's head and no further.

/// The agent's answer to an upgrade that was the connection's first request.
///
///     bytes ──► head complete? ── 100..199 but not 101 ──► next head
///                    ├── 101 ──► accepted (the subprotocol that carried the token is confirmed here)
///                    └── any other, or no HTTP head ──► not accepted
struct UpgradeAnswer {
    enum Step: Equatable {
        case needsMore
        /// Forward these bytes; the answer is known.
        case answered(accepted: Bool, ByteBuffer)
    }

    /// The largest head to wait for.
    static let maximumHead = 32 << 10

    /// The subprotocol to confirm, when the agent confirms none.
    private let answerProtocol: String?
    private var buffer = ByteBuffer()
    /// Bytes of interim heads at the front.
    private var interim = 0

    init(answerProtocol: String?) {
        self.answerProtocol = answerProtocol
    }

    mutating func receive(_ bytes: ByteBuffer) -> Step {
        buffer.writeImmutableBuffer(bytes)
        while true {
            let view = buffer.readableBytesView.dropFirst(interim)
            guard let end = Self.headEnd(view) else {
                return view.count > Self.maximumHead ? finish(accepted: false) : .needsMore
            }
            let head = view[..<end]
            guard head.starts(with: "HTTP/1.1 1".utf8) else { return finish(accepted: false) }
            if head.starts(with: "HTTP/1.1 101 ".utf8) || head.starts(with: "HTTP/1.1 101\r".utf8) {
                confirmProtocol(head)
                return finish(accepted: true)
            }
            interim += head.count
        }
    }

    /// What is there, when the stream ends before an answer.
    mutating func endOfInput() -> ByteBuffer {
        defer { buffer = ByteBuffer() }
        return buffer
    }

    private mutating func finish(accepted: Bool) -> Step {
        defer { buffer = ByteBuffer() }
        return .answered(accepted: accepted, buffer)
    }

    /// A browser that offered subprotocols drops a connection whose answer names none of them.
    private mutating func confirmProtocol(_ head: ByteBufferView.SubSequence) {
        guard let answerProtocol else { return }
        let lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n")
        guard !lines.contains(where: { $0.lowercased().hasPrefix("sec-websocket-protocol:") }) else { return }
        var rewritten = ByteBuffer(bytes: buffer.readableBytesView[..<(head.endIndex - 2)])
        rewritten.writeString("Sec-WebSocket-Protocol: \(answerProtocol)\r\n\r\n")
        rewritten.writeBytes(buffer.readableBytesView[head.endIndex...])
        buffer = rewritten
    }

    /// The index behind the empty line.
    private static func headEnd(_ view: ByteBufferView.SubSequence) -> Int? {
        var index = view.startIndex
        while index + 3 < view.endIndex {
            if view[index] == 0x0D, view[index + 1] == 0x0A, view[index + 2] == 0x0D, view[index + 3] == 0x0A {
                return index + 4
            }
            index += 1
        }
        return nil
    }
}
