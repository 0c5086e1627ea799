import NIOCore

@testable import Certs
@testable import Gateway

// `u32 length | bytes`: the two readers that find the end of a certificate and of an RPC message. Whatever the pieces in
// which a stream arrives, both must say what a look at the whole stream says; and once they have said it, nothing more.
// The first byte of an input tells how the rest is cut.

enum Framing {
    /// What a whole stream says, by a look at all of it.
    private enum Content: Equatable {
        case incomplete
        case tooLong(Int)
        case message([UInt8], rest: [UInt8])

        init(_ stream: [UInt8], limit: Int) {
            guard stream.count >= 4 else {
                self = .incomplete
                return
            }
            let length = stream[..<4].reduce(0) { $0 << 8 | Int($1) }
            if length > limit {
                self = .tooLong(length)
            } else if stream.count - 4 < length {
                self = .incomplete
            } else {
                self = .message(Array(stream[4..<4 + length]), rest: Array(stream[(4 + length)...]))
            }
        }
    }

    /// A small limit, that made-up lengths often meet, and the real one.
    private static let preambleLimits = [12, GatewayLimits().preambleLength]
    private static let frameLimits = [12, RPCFrame.requestLimit]

    static func checkPreamble(_ input: [UInt8]) throws(BrokenPromise) -> Bool {
        var isRead = false
        for limit in preambleLimits {
            var preamble = Preamble(limit: limit)
            var action = Preamble.Action.waitForMore
            var behind: [UInt8] = []
            for piece in pieces(of: input) {
                switch action {
                case .waitForMore: action = preamble.receive(ByteBuffer(bytes: piece))
                case .finish: behind += piece  // The channel hands it to the next handler.
                case .reset:
                    try promise(
                        preamble.receive(ByteBuffer(bytes: piece)) == .waitForMore, "a dropped stream was read on")
                }
            }
            switch (Content(Array(input.dropFirst()), limit: limit), action) {
            case (.incomplete, .waitForMore):
                var late = preamble
                try promise(late.timeOut() == .reset(.tooSlow), "an incomplete preamble may last for ever")
                try promise(preamble.end() == .reset(.truncated), "an incomplete preamble may end")
            case (.tooLong(let length), .reset(let error)):
                try promise(error == .tooLong(length), "\(length) bytes are refused as \(error)")
            case (.message(let certificate, let rest), .finish(let read, let first)):
                try promise(read == certificate, "another certificate was read")
                try promise(Array(buffer: first) + behind == rest, "bytes behind the certificate were lost or made up")
                isRead = true
            case (let content, _): throw BrokenPromise(description: "\(content) was read as \(action)")
            }
            try promise(
                preamble.timeOut() == .waitForMore && preamble.end() == .waitForMore
                    && preamble.receive(ByteBuffer(bytes: [0, 0, 0, 0])) == .waitForMore,
                "something happened after the end")
        }
        return isRead
    }

    static func checkRPCFrame(_ input: [UInt8]) throws(BrokenPromise) -> Bool {
        var isRead = false
        for limit in frameLimits {
            var reader = RPCFrameReader(limit: limit)
            var event = RPCFrameReader.Event.needsMore
            for piece in pieces(of: input) {
                let next = reader.consume(piece)
                switch event {
                case .needsMore: event = next
                case .message: try promise(next == .needsMore, "one stream carried two messages")
                case .failed: try promise(next == event, "a failed stream was read on")
                }
            }
            let end = reader.end()
            switch (Content(Array(input.dropFirst()), limit: limit), event) {
            case (.incomplete, .needsMore):
                try promise(end == .failed(.endOfStream), "an incomplete message may end")
            case (.tooLong, .failed(.tooLarge)): try promise(end == event, "the end changed a refusal")
            case (.message(let message, _), .message(let read)):
                try promise(read == message, "another message was read")
                try promise(end == .needsMore, "the end changed a message")
                try promise(
                    message.count > limit || RPCFrame.encode(read) == Array(input.dropFirst().prefix(4 + read.count)),
                    "a frame is not written as it was read")
                isRead = true
            case (let content, _): throw BrokenPromise(description: "\(content) was read as \(event)")
            }
        }
        return isRead
    }

    /// What follows the first byte, cut into pieces of the sizes that the halves of this byte name in turn; whole when the
    /// byte is 0.
    private static func pieces(of input: [UInt8]) -> [ArraySlice<UInt8>] {
        guard let first = input.first, first > 0 else { return [input.dropFirst()] }
        let sizes = [Int(first & 15), Int(first >> 4)]
        var pieces: [ArraySlice<UInt8>] = []
        var rest = input.dropFirst()
        while !rest.isEmpty {
            pieces.append(rest.prefix(sizes[pieces.count % 2]))
            rest = rest.dropFirst(sizes[(pieces.count - 1) % 2])
        }
        return pieces
    }
}
