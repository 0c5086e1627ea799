internal import Foundation
internal import NIOCore

// How does a form with files go over HTTP (RFC 7578)? Piece by piece, files read from disk while they are sent, with a length that is
// known before. Names come from strangers: nothing in them can end a header.

extension PlatformHTTP {
    /// A part of a form.
    struct Part: Sendable {
        enum Content: Sendable {
            case text(String)
            case bytes([UInt8])
            /// A file of this machine.
            case file(path: String)
        }

        var name: String
        var content: Content
        var filename: String?
        var contentType: String?

        init(_ name: String, _ content: Content, filename: String? = nil, contentType: String? = nil) {
            self.name = name
            self.content = content
            self.filename = filename
            self.contentType = contentType
        }
    }
}

/// The bytes of a form.
struct MultipartBody: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    fileprivate enum Piece: Sendable {
        case bytes([UInt8])
        case file(path: String, size: Int64)
    }

    let contentType: String
    /// Bytes.
    let length: Int64
    private let pieces: [Piece]

    /// - Throws: ``PlatformFailure/refused(_:)`` when a file can't be read.
    init(_ parts: [PlatformHTTP.Part], boundary: String = UUID().uuidString) throws(PlatformFailure) {
        contentType = "multipart/form-data; boundary=\(boundary)"
        var pieces: [Piece] = []
        for part in parts {
            var head = "--\(boundary)\r\nContent-Disposition: form-data; name=\"\(Self.quoted(part.name))\""
            if let filename = part.filename { head += "; filename=\"\(Self.quoted(filename))\"" }
            if let type = part.contentType { head += "\r\nContent-Type: \(Self.plain(type))" }
            pieces.append(.bytes(Array("\(head)\r\n\r\n".utf8)))
            switch part.content {
            case .text(let text): pieces.append(.bytes(Array(text.utf8)))
            case .bytes(let bytes): pieces.append(.bytes(bytes))
            case .file(let path): pieces.append(.file(path: path, size: try Self.size(path)))
            }
            pieces.append(.bytes(Array("\r\n".utf8)))
        }
        pieces.append(.bytes(Array("--\(boundary)--\r\n".utf8)))
        self.pieces = pieces
        length = pieces.reduce(0) { sum, piece in
            switch piece {
            case .bytes(let bytes): sum + Int64(bytes.count)
            case .file(_, let size): sum + size
            }
        }
    }

    private static func size(_ path: String) throws(PlatformFailure) -> Int64 {
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        guard attributes?[.type] as? FileAttributeType == .typeRegular, let size = attributes?[.size] as? Int64 else {
            throw .refused("the file to send is not there any more")
        }
        return size
    }

    /// As browsers write it (HTML §4.10.21.8).
    private static func quoted(_ name: String) -> String {
        var quoted = String.UnicodeScalarView()
        for scalar in name.unicodeScalars {
            switch scalar {
            case "\"": quoted.append(contentsOf: "%22".unicodeScalars)
            case "\r": quoted.append(contentsOf: "%0D".unicodeScalars)
            case "\n": quoted.append(contentsOf: "%0A".unicodeScalars)
            default: quoted.append(scalar.value < 0x20 || scalar.value == 0x7F ? "_" : scalar)
            }
        }
        return String(quoted)
    }

    /// A media type; one that is none says nothing.
    private static func plain(_ type: String) -> String {
        let isPlain = type.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F || $0 == 0x20 }
        return isPlain && !type.isEmpty ? type : "application/octet-stream"
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(pieces[...]) }

    struct AsyncIterator: AsyncIteratorProtocol {
        private var pieces: ArraySlice<Piece>
        private var open: (file: FileHandle, left: Int64)?

        fileprivate init(_ pieces: ArraySlice<Piece>) { self.pieces = pieces }

        /// - Throws: ``PlatformFailure/refused(_:)`` when a file changed meanwhile.
        mutating func next() async throws -> ByteBuffer? {
            while true {
                if let (file, left) = open {
                    guard left > 0 else {
                        try? file.close()
                        open = nil
                        continue
                    }
                    let bytes = try? file.read(upToCount: Int(Swift.min(left, 64 * 1024)))
                    guard let bytes, !bytes.isEmpty else {
                        throw PlatformFailure.refused("the file to send became shorter")
                    }
                    open = (file, left - Int64(bytes.count))
                    return ByteBuffer(bytes: bytes)
                }
                switch pieces.popFirst() {
                case nil: return nil
                case .bytes(let bytes) where bytes.isEmpty: continue
                case .bytes(let bytes): return ByteBuffer(bytes: bytes)
                case .file(let path, let size):
                    guard let file = FileHandle(forReadingAtPath: path) else {
                        throw PlatformFailure.refused("the file to send is not there any more")
                    }
                    open = (file, size)
                }
            }
        }
    }
}

/// Fields of a form in one line of text (`application/x-www-form-urlencoded`).
enum FormCoding {
    static func text(_ fields: [(String, String)]) -> String {
        fields.map { "\(escaped($0))=\(escaped($1))" }.joined(separator: "&")
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
                escaped.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                escaped += byte < 16 ? "%0" : "%"
                escaped += String(byte, radix: 16, uppercase: true)
            }
        }
        return escaped
    }
}
