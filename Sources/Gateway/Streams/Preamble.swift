internal import NIOCore

// Which certificate stands in front of a stream? `u32 length | certificate`, before the first byte of HTTP (network.md
// §3). This file knows the framing and its bound; it knows no clock, no channel and does not judge the certificate.

/// Reads the preamble from whatever pieces the network delivers.
///
/// ```
///   length ──4 bytes, ≤ limit──▶ certificate ──all bytes──▶ done
///      └─────── > limit ───────▶ refused
/// ```
struct Preamble: Sendable {
    private enum State {
        case length
        case certificate(length: Int)
        case done
        case refused
    }

    /// What the caller has to do after an event.
    enum Action: Equatable {
        case waitForMore
        /// The certificate, empty when the peer has none, and every byte behind it.
        case finish(certificate: [UInt8], rest: ByteBuffer)
        case reset(PreambleError)
    }

    private var state = State.length
    private var received = ByteBuffer()
    private let limit: Int

    /// - Parameter limit: longest certificate in bytes.
    init(limit: Int) {
        self.limit = limit
    }

    /// Bytes arrived. Once the preamble is complete or refused they are nobody's, and are not kept.
    mutating func receive(_ bytes: ByteBuffer) -> Action {
        guard isOpen else { return .waitForMore }
        received.writeImmutableBuffer(bytes)
        if case .length = state {
            guard let length = received.readInteger(as: UInt32.self) else { return .waitForMore }
            guard length <= limit else { return refuse(.tooLong(Int(length))) }
            state = .certificate(length: Int(length))
        }
        guard case .certificate(let length) = state, let certificate = received.readBytes(length: length) else {
            return .waitForMore
        }
        state = .done
        return .finish(certificate: certificate, rest: received.slice())
    }

    /// The time is up. Harmless when the preamble is complete.
    mutating func timeOut() -> Action {
        isOpen ? refuse(.tooSlow) : .waitForMore
    }

    /// The peer sends no more. Harmless when the preamble is complete.
    mutating func end() -> Action {
        isOpen ? refuse(.truncated) : .waitForMore
    }

    private var isOpen: Bool {
        switch state {
        case .length, .certificate: true
        case .done, .refused: false
        }
    }

    private mutating func refuse(_ error: PreambleError) -> Action {
        state = .refused
        received.clear()
        return .reset(error)
    }
}

/// Why a stream was dropped before its first request.
enum PreambleError: Error, Equatable, CustomStringConvertible {
    case tooLong(Int)
    case tooSlow
    case truncated

    var description: String {
        switch self {
        case .tooLong(let length): "the certificate in front of the stream claims \(length) bytes"
        case .tooSlow: "the certificate in front of the stream did not arrive in time"
        case .truncated: "the stream ended inside the certificate"
        }
    }
}
