internal import Glibc
internal import Logging
internal import NIOCore
internal import Store
internal import Wire

// Which files may an answer give away? Those that lie in the vault, the workspace or among the user's own files, and nothing
// else, however the answer names it. What it gives away is copied, so that it stays what it was.

/// Takes the files out of answers.
struct AnswerFiles: AnswerContent {
    /// Files of one answer.
    static let limit = 32

    private let store: ArtifactStore
    private var files: AgentFiles { store.files }

    init(_ store: ArtifactStore) { self.store = store }

    func content(of text: String, in turn: Turn) async -> (text: String, attachments: [Attachment]) {
        let markers = AttachmentMarkers(text)
        var attachments: [Attachment] = []
        // An answer may consist of nothing but markers: the log has one line of what is too much.
        if markers.named.count > Self.limit {
            store.logger.warning(
                "files::markers_refused",
                metadata: ["turn": "\(turn.id)", "count": "\(markers.named.count - Self.limit)"])
        }
        for (index, named) in markers.named.prefix(Self.limit).enumerated() {
            do {
                attachments.append(try await attachment(named, number: index, of: turn))
            } catch {
                store.logger.warning(
                    "files::marker_refused",
                    metadata: [
                        "turn": "\(turn.id)", "path": "\(named.path.prefix(200).debugDescription)",
                        "reason": "\(error)",
                    ])
            }
        }
        return (markers.text, attachments)
    }

    /// Why a file is not given away. For the log.
    struct Refused: Error, CustomStringConvertible {
        let reason: String
        var description: String { reason }
    }

    private func attachment(
        _ named: AttachmentMarkers.Named, number: Int, of turn: Turn
    ) async throws -> Attachment {
        // The same turn may end a second time after a crash: then the copy is there.
        let copyID = "turn/\(turn.id)/\(number)"
        let owner = turn.key.handle
        if let copy = try await files.repository.artifact(uploadID: copyID, of: owner) {
            return store.attachment(copy, kind: named.kind)
        }
        let place = try SharedPlace(named.path, files)
        if let artifact = place.artifact, try await files.repository.artifact(artifact, of: owner) == nil {
            throw Refused(reason: "the file is somebody else's")
        }
        let reader = try FileReader(place.path, descriptor: try place.open())
        guard reader.size <= files.largest else { throw Refused(reason: "the file is too large") }
        let name = FileName.safe(named.filename)
        let draft = try await store.begin(owner: owner)
        do {
            while let bytes = try await reader.next() { try await draft.writer.append(bytes) }
            let record = try await store.keep(
                draft,
                as: .init(
                    owner: owner, sessionID: turn.key.sessionID, filename: name, mimeType: MediaType.of(name),
                    origin: .reply, uploadID: copyID))
            return store.attachment(record, kind: named.kind)
        } catch {
            await store.discard(draft)
            throw error
        }
    }
}

/// A file that an answer may give away, as far as its place says.
struct SharedPlace {
    /// With every symbolic link resolved.
    let path: String
    /// The root in which it lies, resolved, and the way from there.
    private let root: String
    private let parts: [String]
    /// The id of the user's file that it is, if it lies among those.
    let artifact: String?
    private let protected: [String]

    /// - Parameter named: absolute, or relative to the agent's folder.
    /// - Throws: ``AnswerFiles/Refused``
    init(_ named: String, _ files: AgentFiles) throws {
        guard !named.isEmpty, !named.utf8.contains(0), named.utf8.count < Int(PATH_MAX) else {
            throw AnswerFiles.Refused(reason: "this is no path")
        }
        let directory = files.directory
        guard let path = Self.resolved(named.hasPrefix("/") ? named : "\(directory.path)/\(named)") else {
            throw AnswerFiles.Refused(reason: "there is no such file")
        }
        let roots = [directory.files, files.vault, directory.workspace].compactMap(Self.resolved)
        guard let root = roots.first(where: { path.hasPrefix($0 == "/" ? "/" : $0 + "/") }) else {
            throw AnswerFiles.Refused(reason: "the file lies outside of what answers may give away")
        }
        parts = path.dropFirst(root.count).split(separator: "/").map(String.init)
        guard !parts.isEmpty, !parts.contains(where: { $0.hasPrefix(".") }) else {
            throw AnswerFiles.Refused(reason: "the file is hidden")
        }
        self.path = path
        self.root = root
        artifact = root == Self.resolved(directory.files) ? parts[0] : nil
        protected =
            [
                directory.configuration, directory.identityKey, directory.addressHints, directory.database,
                directory.database + "-wal", directory.database + "-shm", directory.noteIndex,
            ] + Platform.allCases.map(directory.bridgeKey)
    }

    /// Opens the file from its root on, and never through a link that was put there meanwhile.
    func open() throws -> Int32 {
        var folder = Glibc.open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        for part in parts.dropLast() where folder >= 0 {
            let next = openat(folder, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            close(folder)
            folder = next
        }
        guard folder >= 0 else { throw AnswerFiles.Refused(reason: "its folder cannot be opened") }
        defer { close(folder) }
        let file = openat(folder, parts[parts.count - 1], O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)
        guard file >= 0 else { throw AnswerFiles.Refused(reason: "it cannot be opened") }
        guard !isProtected(file) else {
            close(file)
            throw AnswerFiles.Refused(reason: "the agent's own files are not given away")
        }
        return file
    }

    /// Also under another name.
    private func isProtected(_ file: Int32) -> Bool {
        var status = stat()
        guard fstat(file, &status) == 0 else { return true }
        return protected.contains { path in
            var other = stat()
            return stat(path, &other) == 0 && other.st_dev == status.st_dev && other.st_ino == status.st_ino
        }
    }

    private static func resolved(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
