internal import Foundation
internal import Glibc
internal import NIOCore
internal import Wire

// Where does each part of a form begin and end (multipart/form-data, RFC 7578 and RFC 2046 §5.1)? Bytes go in as they
// arrive, and come out as soon as they cannot belong to a boundary: what is held is a header or a piece of a boundary,
// never a part. Pure.

/// Reads a multipart body piece by piece.
struct MultipartReader {
    enum Event: Equatable {
        case part(MultipartHeader)
        case data(ByteBuffer)
        case endOfPart
        case end
    }

    /// Bytes of a part's header.
    static let headerLength = 8_192
    /// Bytes before the first part, and bytes of a boundary's line.
    private static let longestGap = 1_024
    /// RFC 2046 §5.1.1.
    private static let boundaryLength = 70

    private enum State { case preamble, afterBoundary, header, data, ended }

    private var state = State.preamble
    private var pending = ByteBuffer()
    /// `\r\n--boundary`
    private let delimiter: [UInt8]

    /// - Parameter contentType: the value of `Content-Type`; nil is returned when it does not announce a form.
    init?(contentType: String) {
        let type = contentType.prefix { $0 != ";" }.lowercased()
        guard type.filter({ $0 != " " }) == "multipart/form-data",
            let start = contentType.range(of: "boundary=", options: .caseInsensitive)?.upperBound
        else { return nil }
        var boundary = contentType[start...]
        if boundary.first == "\"" {
            boundary = boundary.dropFirst().prefix { $0 != "\"" }
        } else {
            boundary = boundary.prefix { $0 != ";" && $0 != " " }
        }
        guard (1...Self.boundaryLength).contains(boundary.utf8.count), boundary.utf8.allSatisfy({ 0x20..<0x7F ~= $0 })
        else { return nil }
        delimiter = Array("\r\n--\(boundary)".utf8)
        // The first boundary may stand at the very beginning, without a line before it.
        pending.writeString("\r\n")
    }

    /// Everything that is certain with these bytes.
    ///
    /// - Throws: ``MultipartError``
    mutating func read(_ bytes: ByteBuffer) throws(MultipartError) -> [Event] {
        guard state != .ended else { return [] }
        pending.writeImmutableBuffer(bytes)
        var events: [Event] = []
        while try step(&events) {}
        pending.discardReadBytes()
        return events
    }

    /// To be called at the body's end.
    func finish() throws(MultipartError) { if state != .ended { throw .cutShort } }

    // MARK: Steps

    /// - Returns: whether there may be more to find.
    private mutating func step(_ events: inout [Event]) throws(MultipartError) -> Bool {
        switch state {
        case .preamble:
            guard let index = find(delimiter) else {
                guard pending.readableBytes <= Self.longestGap + delimiter.count else { throw .malformed }
                return false
            }
            guard index <= Self.longestGap else { throw .malformed }
            pending.moveReaderIndex(forwardBy: index + delimiter.count)
            state = .afterBoundary
        case .afterBoundary:
            guard pending.readableBytes >= 2 else { return false }
            if pending.getString(at: pending.readerIndex, length: 2) == "--" {
                state = .ended
                pending.clear()
                endPart(&events)
                events.append(.end)
                return false
            }
            guard let end = find([13, 10]) else {
                guard pending.readableBytes <= Self.longestGap else { throw .malformed }
                return false
            }
            let rest = pending.readSlice(length: end)?.readableBytesView ?? ByteBuffer().readableBytesView
            guard rest.allSatisfy({ $0 == 32 || $0 == 9 }) else { throw .malformed }
            endPart(&events)
            // The line's end stays: a header of no fields is then an empty line like the end of any other.
            state = .header
        case .header:
            guard let end = find([13, 10, 13, 10]) else {
                guard pending.readableBytes <= Self.headerLength else { throw .headerTooLong }
                return false
            }
            guard end <= Self.headerLength else { throw .headerTooLong }
            let lines = pending.readString(length: end) ?? ""
            pending.moveReaderIndex(forwardBy: 4)
            events.append(.part(MultipartHeader(lines)))
            isInPart = true
            state = .data
        case .data:
            return data(&events)
        case .ended: return false
        }
        return true
    }

    /// A part has begun; it is over when the line of its boundary is complete.
    private var isInPart = false

    private mutating func endPart(_ events: inout [Event]) {
        if isInPart { events.append(.endOfPart) }
        isInPart = false
    }

    private mutating func data(_ events: inout [Event]) -> Bool {
        if let index = find(delimiter) {
            emit(index, &events)
            pending.moveReaderIndex(forwardBy: delimiter.count)
            state = .afterBoundary
            return true
        }
        // The last bytes may be the beginning of a boundary.
        emit(pending.readableBytes - (delimiter.count - 1), &events)
        return false
    }

    private mutating func emit(_ count: Int, _ events: inout [Event]) {
        if count > 0, let slice = pending.readSlice(length: count) { events.append(.data(slice)) }
    }

    private func find(_ bytes: [UInt8]) -> Int? {
        pending.withUnsafeReadableBytes { all in
            guard let start = all.baseAddress, let first = bytes.first else { return nil }
            var offset = 0
            while offset + bytes.count <= all.count {
                let room = all.count - bytes.count + 1 - offset
                guard let found = memchr(start + offset, Int32(first), room) else { return nil }
                let index = UnsafeRawPointer(found) - start
                if memcmp(found, bytes, bytes.count) == 0 { return index }
                offset = index + 1
            }
            return nil
        }
    }
}

/// What stands before a part.
struct MultipartHeader: Equatable {
    /// Field names are in lower case.
    private(set) var fields: [String: String] = [:]

    init(_ lines: String) {
        for line in lines.split(separator: "\r\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            fields[parts[0].lowercased()] = String(parts[1].drop { $0 == " " || $0 == "\t" })
        }
    }

    /// What the part says of itself, if it belongs to a form.
    var disposition: ContentDisposition.Part? {
        fields["content-disposition"].flatMap(ContentDisposition.read).flatMap { $0.kind == "form-data" ? $0 : nil }
    }
}

enum MultipartError: Error, Equatable {
    case malformed
    case headerTooLong
    /// The body ended in the middle.
    case cutShort
}
