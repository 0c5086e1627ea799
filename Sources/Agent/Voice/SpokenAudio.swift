// In which form does a voice come? Programs print what they like; the form is told by the first bytes. Pure.

/// The forms of audio that players and this program can tell apart.
public enum AudioFormat: String, Sendable, CaseIterable {
    case wav, mp3, ogg

    /// E.g. `audio/wav`.
    public var mime: String {
        switch self {
        case .wav: "audio/wav"
        case .mp3: "audio/mpeg"
        case .ogg: "audio/ogg"
        }
    }

    /// What the bytes are; nil when they are none of the known forms.
    public init?(_ bytes: [UInt8]) {
        if bytes.starts(with: Array("RIFF".utf8)), bytes.dropFirst(8).starts(with: Array("WAVE".utf8)) {
            self = .wav
        } else if bytes.starts(with: Array("ID3".utf8)) {
            self = .mp3
        } else if bytes.count > 1, bytes[0] == 0xFF, bytes[1] & 0xE0 == 0xE0, bytes[1] & 0x06 != 0 {
            // A frame of MPEG audio, layer 1 to 3.
            self = .mp3
        } else if bytes.starts(with: Array("OggS".utf8)) {
            self = .ogg
        } else {
            return nil
        }
    }
}

/// Something spoken.
public struct SpokenAudio: Sendable, Equatable {
    public var format: AudioFormat
    /// A whole file of that form.
    public var bytes: [UInt8]

    public init(format: AudioFormat, bytes: [UInt8]) {
        self.format = format
        self.bytes = bytes
    }
}

/// A file of the WAVE form, taken apart.
public struct WaveFile: Sendable, Equatable {
    /// What the samples are: the content of the `fmt ` chunk, without extensions of plain PCM.
    public var layout: [UInt8]
    public var samples: [UInt8]

    /// - Returns: nil for bytes that are no WAVE file with samples. Lengths that a program could not know when it wrote
    ///   them into a pipe (zero, or behind the end) mean all that follows.
    public init?(_ bytes: [UInt8]) {
        guard AudioFormat(bytes) == .wav else { return nil }
        var layout: [UInt8]?
        var position = 12
        while position + 8 <= bytes.count {
            let name = bytes[position..<position + 4]
            let length = Int(Self.number(bytes[(position + 4)..<(position + 8)]))
            let start = position + 8
            if name.elementsEqual("data".utf8) {
                guard let layout else { return nil }
                let isKnown = length > 0 && length <= bytes.count - start
                self.layout = layout
                samples = Array(bytes[start..<(isKnown ? start + length : bytes.count)])
                return
            }
            guard length <= bytes.count - start else { return nil }
            if name.elementsEqual("fmt ".utf8) {
                guard (16...64).contains(length) else { return nil }
                let content = Array(bytes[start..<start + length])
                layout = content[0] == 1 && content[1] == 0 ? Array(content.prefix(16)) : content
            }
            // Chunks begin at even positions.
            position = start + length + length % 2
        }
        return nil
    }

    /// One channel of 16-bit samples.
    ///
    /// - Parameter rate: samples a second.
    public init(samples: [UInt8], rate: Int) {
        let rate = UInt32(clamping: rate)
        layout =
            [1, 0, 1, 0] + Self.bytes(rate) + Self.bytes(rate.multipliedReportingOverflow(by: 2).partialValue) + [
                2, 0, 16, 0,
            ]
        self.samples = samples
    }

    /// The whole file.
    public var bytes: [UInt8] { Self.header(layout, length: UInt32(clamping: samples.count)) + samples }

    /// What stands in front of samples whose number nobody knows yet.
    public var endlessHeader: [UInt8] { Self.header(layout, length: .max) }

    private static func header(_ layout: [UInt8], length: UInt32) -> [UInt8] {
        let rest = UInt32(20 + layout.count)
        let all = length > .max - rest ? UInt32.max : length + rest
        return Array("RIFF".utf8) + bytes(all) + Array("WAVEfmt ".utf8) + bytes(UInt32(layout.count)) + layout
            + Array("data".utf8) + bytes(length)
    }

    private static func bytes(_ number: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
}
