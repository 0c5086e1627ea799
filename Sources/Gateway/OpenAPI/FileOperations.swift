internal import Wire

// What do the routes of files and of speech say about themselves?

extension Operation {
    private static let anyType = "application/octet-stream"

    // MARK: Files

    static let upload = Operation(
        "Bring a file, as a form or in pieces",
        [
            .header("Content-Range", "Of a piece: 'bytes FIRST-LAST/TOTAL', or 'bytes */0'"),
            .header("Upload-Id", "Of a piece: 16 to 128 letters, digits, '-' and '_', the same for all of a file"),
            .query("filename", "Of a piece: the file's name"),
            .query("sha256", "Of a piece: what the whole file has to be, 64 hexadecimal digits"),
        ], body: .file, .bytes([anyType]),
        answers: [.json(StoredFile.self, status: 201), .json(UploadProgress.self, status: 202)], errors: [409, 429])
    static let uploadProgress = Operation("How far an upload in pieces is", answer: UploadProgress.self)
    static let files = Operation(
        "Your files, the newest first", [.limit(), .cursor, .query("session_id", "Only those of this session")],
        answer: FilesBody.self)
    static let deleteFile = Operation("Delete a file", answer: FileRemoval.self)
    static let file = Operation(
        "A file's bytes",
        [
            .header("Range", "Only a part: 'bytes=FIRST-LAST'"),
            .header("If-Range", "The part only of this version; of another one, the whole"), .ifChanged,
        ],
        answers: [
            .bytes("*/*"), .bytes("*/*", status: 206, summary: "The part"), .empty(304, "It is still that version"),
            .empty(416, "There is no such part"),
        ])

    // MARK: Speech

    static let synthesize = Operation(
        "Speak a text", body: .json(SpeechRequest.self), answers: [.bytes("audio/*")], errors: [404, 502])
    static let transcribe = Operation(
        "Write down what is said", [.query("lang", "The language that is spoken")], body: .bytes(["audio/*"]),
        .file, answer: RecognisedText.self, errors: [404, 502])
}
