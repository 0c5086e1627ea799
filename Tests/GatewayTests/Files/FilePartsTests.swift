import Foundation
import NIOCore
import Testing

@testable import Gateway
@testable import Wire

// Names, ranges, headers and forms, without a server.

@Suite struct FileNameTests {
    @Test(arguments: [
        ("report.pdf", "report.pdf"), ("../../etc/passwd", "passwd"), ("/etc/shadow", "shadow"),
        ("C:\\Users\\me\\a.txt", "a.txt"), ("..", "file"), (".", "file"), ("", "file"), ("/", "file"), ("a/", "a"),
        (".bashrc", "bashrc"), ("...hidden", "hidden"), ("a\u{0}b\n.txt", "ab.txt"), ("\u{202E}gpj.exe", "gpj.exe"),
        ("  spaced  ", "spaced"), ("naïve ☕.txt", "naïve ☕.txt"), ("dots...", "dots"), ("a\u{2028}b", "ab"),
        ("..\\..\\x", "x"), ("\u{7F}", "file"), ("CON", "CON"),
    ])
    func aNameIsOneHarmlessComponent(_ name: String, _ safe: String) {
        #expect(FileName.safe(name) == safe)
    }

    @Test(arguments: ["x", "é", "☕", "👩‍👩‍👧‍👦"])
    func aLongNameIsCutBetweenCharactersAndKeepsItsExtension(_ letter: String) {
        let name = FileName.safe(String(repeating: letter, count: 400) + ".jpeg")
        #expect((200...255).contains(name.utf8.count))
        #expect(name.hasSuffix(".jpeg"))
        let plain = FileName.safe(String(repeating: letter, count: 400))
        #expect((200...255).contains(plain.utf8.count) && plain.allSatisfy { String($0) == letter || letter.count > 1 })
    }

    @Test func aSafeNameStaysAsItIs() {
        for name in ["a.tar.gz", "README", "Ünïcode name (1).md"] {
            #expect(FileName.safe(FileName.safe(name)) == name)
        }
    }
}

@Suite struct ByteRangeTests {
    @Test(
        arguments: [
            (nil, ByteRange.whole), ("bytes=0-0", .part(0..<1)), ("bytes=0-99", .part(0..<100)),
            ("bytes=10-", .part(10..<100)), ("bytes=-10", .part(90..<100)), ("bytes=-1000", .part(0..<100)),
            ("bytes=50-1000", .part(50..<100)), ("bytes=99-99", .part(99..<100)), ("bytes=100-", .unsatisfiable),
            ("bytes=100-200", .unsatisfiable), ("bytes=-0", .unsatisfiable), ("BYTES= 1 - 2 ", .part(1..<3)),
            ("bytes=5-1", .whole), ("bytes=0-1,3-4", .whole), ("bytes=a-b", .whole), ("bytes=-", .whole),
            ("lines=0-1", .whole),
            ("bytes=99999999999999999999-", .unsatisfiable), ("bytes=0-99999999999999999999", .part(0..<100)),
            ("bytes=+1-2", .whole), ("", .whole),
        ] as [(String?, ByteRange)])
    func aRangeIsWhatTheStandardSays(_ header: String?, _ range: ByteRange) {
        #expect(ByteRange(header, size: 100) == range)
    }

    @Test func anEmptyFileHasNoParts() {
        #expect(ByteRange("bytes=0-", size: 0) == .unsatisfiable)
        #expect(ByteRange("bytes=-5", size: 0) == .unsatisfiable)
        #expect(ByteRange(nil, size: 0) == .whole)
    }

    @Test(
        arguments: [
            ("bytes 0-9/10", 0..<10, 10), ("bytes 5-5/10", 5..<6, 10), ("bytes */0", 0..<0, 0),
        ] as [(String, Range<Int64>, Int64)])
    func aPieceSaysWhereItBelongs(_ text: String, _ bytes: Range<Int64>, _ total: Int64) {
        #expect(ContentRange(text) == ContentRange(bytes: bytes, total: total))
        #expect(ContentRange(bytes: bytes, total: total).description == text)
    }

    @Test(arguments: [
        "", "bytes", "bytes 0-9", "bytes 0-10/10", "bytes 9-0/10", "bytes */10", "bytes -1-2/10", "bytes 0-9/*",
        "bytes 0-9/10/10", "bytes 0-99999999999999999999/999999999999999999999", "items 0-1/2", "bytes 0 - 1/2",
    ])
    func whatIsNoPieceIsRefused(_ text: String) { #expect(ContentRange(text) == nil) }
}

@Suite struct ContentDispositionTests {
    @Test(arguments: [
        ("a.txt", "inline; filename=\"a.txt\""),
        ("na\"ive.txt", "inline; filename=\"na_ive.txt\"; filename*=UTF-8''na%22ive.txt"),
        ("☕.txt", "inline; filename=\"_.txt\"; filename*=UTF-8''%E2%98%95.txt"),
        ("a\\b%41.txt", "inline; filename=\"a_b_41.txt\"; filename*=UTF-8''a%5Cb%2541.txt"),
        ("a\r\nX: y", "inline; filename=\"a_X: y\"; filename*=UTF-8''a%0D%0AX%3A%20y"),
    ])
    func aNameStaysInItsHeader(_ name: String, _ header: String) {
        let made = ContentDisposition.header(filename: name, isShown: true)
        #expect(made.replacing("__", with: "_") == header)
        #expect(!made.contains("\r") && !made.contains("\n"))
        #expect(ContentDisposition.read(made)?.filename == name)
    }

    @Test(
        arguments: [
            ("form-data; name=\"file\"; filename=\"a.txt\"", "file", "a.txt"),
            ("form-data; name=file; filename=a.txt", "file", "a.txt"),
            ("Form-Data; filename=\"a;b.txt\"; name=\"x\"", "x", "a;b.txt"),
            ("form-data; name=\"f\"; filename=\"a%22b.txt\"", "f", "a\"b.txt"),
            ("form-data; name=\"f\"; filename=\"a\\\"b.txt\"", "f", "a\"b.txt"),
            ("form-data; name=\"f\"; filename=\"C:\\x\\b.txt\"", "f", "C:\\x\\b.txt"),
            ("form-data; name=\"f\"; filename=\"x\"; filename*=UTF-8''%C3%BC.txt", "f", "ü.txt"),
            ("form-data; name=\"f\"", "f", nil),
        ] as [(String, String, String?)])
    func aPartSaysItsName(_ header: String, _ name: String, _ filename: String?) {
        #expect(ContentDisposition.read(header) == .init(kind: "form-data", name: name, filename: filename))
    }
}

@Suite struct MultipartTests {
    static let type = "multipart/form-data; boundary=----WebKit"
    static let form =
        "------WebKit\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n------WebKit\r\n"
        + "Content-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\nContent-Type: text/x\r\n\r\n"
        + "one\r\n------WebKi\r\n--\r\n\r\ntwo\r\n------WebKit--\r\n"

    /// Headers and contents of the parts.
    static func parts(_ form: String, in pieces: [Int] = []) throws -> [(MultipartHeader, String)] {
        var reader = try #require(MultipartReader(contentType: type))
        var parts: [(MultipartHeader, String)] = []
        var rest = ByteBuffer(string: form)
        for count in pieces + [form.utf8.count] {
            guard let bytes = rest.readSlice(length: min(count, rest.readableBytes)) else { continue }
            for event in try reader.read(bytes) {
                switch event {
                case .part(let header): parts.append((header, ""))
                case .data(let bytes): parts[parts.count - 1].1 += String(buffer: bytes)
                case .endOfPart, .end: break
                }
            }
        }
        try reader.finish()
        return parts
    }

    @Test func aFormIsTheSameHoweverItIsCut() throws {
        for cut in 0...Self.form.utf8.count {
            let parts = try Self.parts(Self.form, in: [cut])
            #expect(parts.map(\.1) == ["hello", "one\r\n------WebKi\r\n--\r\n\r\ntwo"])
            #expect(parts[1].0.disposition?.filename == "a.bin" && parts[1].0.fields["content-type"] == "text/x")
        }
        let single = try Self.parts(Self.form, in: Array(repeating: 1, count: Self.form.utf8.count))
        #expect(single.map(\.1) == ["hello", "one\r\n------WebKi\r\n--\r\n\r\ntwo"])
    }

    @Test func anEmptyPartIsEmpty() throws {
        let form =
            "------WebKit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"e\"\r\n\r\n\r\n------WebKit--"
        #expect(try Self.parts(form).map(\.1) == [""])
    }

    @Test func aFormThatBreaksOffIsSeen() throws {
        for cut in 0..<(Self.form.utf8.count - 4) {
            #expect(throws: MultipartError.cutShort) { try Self.parts(String(Self.form.utf8.prefix(cut)) ?? "") }
        }
    }

    @Test func whatIsHeldIsBounded() throws {
        var reader = try #require(MultipartReader(contentType: Self.type))
        #expect(throws: MultipartError.malformed) { try reader.read(ByteBuffer(repeating: 65, count: 4096)) }
        var second = try #require(MultipartReader(contentType: Self.type))
        _ = try second.read(ByteBuffer(string: "------WebKit\r\nX: "))
        #expect(throws: MultipartError.headerTooLong) { try second.read(ByteBuffer(repeating: 65, count: 9000)) }
        var third = try #require(MultipartReader(contentType: Self.type))
        #expect(throws: MultipartError.malformed) { try third.read(ByteBuffer(string: "------WebKitX\r\n\r\n")) }
    }

    @Test(arguments: [
        "multipart/form-data", "multipart/form-data; boundary=", "text/plain; boundary=x",
        "multipart/form-data; boundary=" + String(repeating: "x", count: 71), "multipart/form-data; boundary=ü",
    ])
    func whatAnnouncesNoFormIsNone(_ type: String) { #expect(MultipartReader(contentType: type) == nil) }

    @Test func aQuotedBoundaryIsUnderstood() throws {
        var reader = try #require(MultipartReader(contentType: "Multipart/Form-Data; charset=x; Boundary=\"a b\""))
        #expect(try reader.read(ByteBuffer(string: "--a b\r\n\r\nx\r\n--a b--")).last == .end)
    }
}

@Suite struct AttachmentMarkerTests {
    struct Vectors: Decodable {
        struct Case: Decodable {
            struct Named: Decodable {
                var type: String
                var path: String
                var filename: String
            }
            var `in`: String
            var text: String
            var attachments: [Named]
        }
        var cases: [Case]
    }

    @Test func markersAreReadAsTheReferenceReadsThem() throws {
        let file = try #require(
            Bundle.module.url(forResource: "attachment_markers", withExtension: "json", subdirectory: "Vectors"))
        let vectors = try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: file))
        #expect(vectors.cases.count > 30)
        for vector in vectors.cases {
            let markers = AttachmentMarkers(vector.in)
            #expect(markers.text == vector.text, "\(vector.in.debugDescription)")
            #expect(
                markers.named
                    == vector.attachments.map {
                        AttachmentMarkers.Named(
                            kind: .init(rawValue: $0.type) ?? .file, path: $0.path, filename: $0.filename)
                    }, "\(vector.in.debugDescription)")
        }
    }

    @Test func manyOpenBracketsTakeNoLongerThanTheyMust() {
        // A reader that looks for the end from each beginning anew would take minutes.
        let text = String(repeating: "[FILE:", count: 100_000)
        let start = ContinuousClock.now
        #expect(AttachmentMarkers(text).named.isEmpty)
        #expect(ContinuousClock.now - start < .seconds(20))
    }
}
