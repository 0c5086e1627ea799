internal import Agent
internal import Certs
internal import Foundation
internal import Glibc
public import NIOCore
internal import Store
internal import Synchronization
internal import Transport

// How does a backup of an agent come about while it lives? The database first, as a copy of one moment; whatever it names
// stays on the disk until the backup has ended. Then the rest, piece by piece and at the pace of whoever takes them: nothing
// of it lies on the disk a second time. It knows the agent's folder and no network.

/// What a backup is made of.
public struct BackupSource: Sendable {
    public var directory: AgentDirectory
    /// The folder of the notes, absolute.
    public var vault: String
    /// The path of the database.
    var database: String
    /// The agent's name.
    public var name: String
    /// 64 hexadecimal digits; empty when there is no key.
    public var nodeID: String
    /// Of this program.
    public var version: String

    public init(directory: AgentDirectory, vault: String, name: String, nodeID: String, version: String) {
        self.directory = directory
        self.vault = vault
        database = directory.database
        self.name = name
        self.nodeID = nodeID
        self.version = version
    }
}

/// What a backup holds besides database, configuration and notes.
public struct BackupOptions: Sendable, Equatable {
    /// The agent's key: whoever has it is the agent. With it come keys of providers and what else is secret.
    public var withKeys: Bool
    /// Files of users and answers, and the workspace.
    public var withFiles: Bool

    public init(withKeys: Bool = false, withFiles: Bool = true) {
        self.withKeys = withKeys
        self.withFiles = withFiles
    }
}

/// Keeps files on the disk that were deleted while somebody copies them.
final class RemovalGate: Sendable {
    private struct State {
        var isHeld = false
        var waiting: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())

    /// From now until ``release()`` nothing is removed.
    ///
    /// - Returns: false when somebody holds it already.
    func hold() -> Bool {
        state.withLock { state in
            defer { state.isHeld = true }
            return !state.isHeld
        }
    }

    func release() {
        let waiting = state.withLock { state in
            defer { state = State() }
            return state.waiting
        }
        for removal in waiting { removal() }
    }

    /// Removes at once, or when the gate is free again.
    func remove(_ removal: @escaping @Sendable () -> Void) {
        let isHeld = state.withLock { state in
            if state.isHeld { state.waiting.append(removal) }
            return state.isHeld
        }
        if !isHeld { removal() }
    }
}

/// One backup that is being made. Whoever lets go of it ends it, complete or not.
public actor Backup {
    /// Bytes of a file that is read in one go, so that it is what it was at one moment.
    private static let small = 4 << 20
    private static let piece = 256 << 10
    /// How often the folders are looked at again because something in them was moved meanwhile.
    private static let mostLooks = 5

    private let executor = BlockingExecutor(label: "openagent.backup")
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// What stands at its beginning.
    public nonisolated let information: BackupInformation
    private let gate: RemovalGate?
    private let snapshot: String
    private var jobs: [BackupFolder.Job]
    /// Folders that are still to be looked at, in this order.
    private var folders: [BackupFolder]
    private var current: (folder: BackupFolder, looks: Int, seen: Set<String>, hasGaps: Bool)?
    private var file: OpenFile?
    private var sums: [UInt8] = []
    private var hasBegun = false
    private var hasEnded = false

    /// Held as long as the backup is made of an agent that nobody serves.
    private let lock: InstanceLock?
    /// Of ``file``; -1 when there is none.
    private var descriptor: Int32 = -1

    private struct OpenFile {
        let path: String
        let place: String
        let size: Int64
        var rest: Int64
        let digest = RunningDigest()
    }

    /// Copies the database and makes ready.
    ///
    /// - Parameters:
    ///   - gate: through which whoever serves the agent removes files; nil when nobody does.
    ///   - now: Unix seconds.
    /// - Throws: ``BackupError``, ``StorageFault``
    static func begin(
        _ source: BackupSource, _ options: BackupOptions, gate: RemovalGate?, lock: InstanceLock? = nil, now: Double
    ) throws -> Backup {
        guard gate?.hold() ?? true else { throw BackupError.busy }
        do {
            let snapshot = try prepare(source)
            do {
                let (configuration, isLess) = try options.withKeys ? (nil, false) : withoutSecrets(source, snapshot)
                let files = options.withFiles ? try DatabaseSnapshot.files(in: snapshot) : []
                return Backup(
                    source, options, gate: gate, lock: lock, snapshot: snapshot, files: files,
                    configuration: configuration, isLess: isLess, now: now)
            } catch {
                unlink(snapshot)
                throw error
            }
        } catch {
            gate?.release()
            throw error
        }
    }

    /// Begins a backup of an agent that nobody serves, and keeps it from being served until the backup has ended.
    ///
    /// - Parameters:
    ///   - environment: what the configuration may refer to.
    ///   - version: of this program.
    ///   - now: Unix seconds.
    /// - Throws: ``InstanceError``, ``ConfigurationError``, ``BackupError``, `StorageFault`.
    public static func begin(
        stopped directory: AgentDirectory, _ options: BackupOptions, environment: [String: String], version: String,
        now: Double
    ) async throws -> Backup {
        guard directory.isAgent else { throw OfflineAgentError.notAnAgent(directory) }
        let configuration = try AgentConfiguration.load(directory, environment: environment).configuration
        try PrivateFile.createFolder(directory.state)
        let lock = try await InstanceLock.take(directory)
        let node = (try? SecretKey.load(path: directory.identityKey))?.nodeID.hex
        return try begin(
            BackupSource(
                directory: directory, vault: configuration.vault, name: configuration.name, nodeID: node ?? "",
                version: version), options, gate: nil, lock: lock, now: now)
    }

    /// Where the copy of the database is; what an earlier process left there is removed.
    private static func prepare(_ source: BackupSource) throws -> String {
        guard FileManager.default.fileExists(atPath: source.database) else {
            throw BackupError.failed("there is no database yet: serve the agent once")
        }
        let folder = source.directory.state + "/backup"
        try PrivateFile.createFolder(source.directory.state)
        try PrivateFile.createFolder(folder)
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] { unlink("\(folder)/\(name)") }
        let needed = DatabaseSnapshot.size(of: source.database) + (64 << 20)
        let space = SystemMonitor.space(of: folder)
        guard space.total == 0 || space.total - space.used > needed else { throw BackupError.noSpace(needed: needed) }
        let snapshot = folder + "/\(Base16.encode(randomBytes(8))).db"
        try DatabaseSnapshot.write(of: source.database, to: snapshot)
        return snapshot
    }

    /// Takes secrets out of the copy of the database, and out of the configuration.
    ///
    /// - Returns: the configuration's text, nil when there is none; and whether something is missing now.
    private static func withoutSecrets(
        _ source: BackupSource, _ snapshot: String
    ) throws -> (configuration: [UInt8]?, isLess: Bool) {
        let rows = try DatabaseSnapshot.removeSecrets(from: snapshot)
        let file = source.directory.configuration
        do throws(ConfigurationError) {
            guard let text = try AgentConfiguration.text(of: file) else { return (nil, rows > 0) }
            let shown = try ConfigurationSecrets.removed(from: text, file: file)
            return (Array(shown.utf8), rows > 0 || shown != text)
        } catch {
            throw BackupError.configuration(line: error.line ?? 1)
        }
    }

    /// - Parameters:
    ///   - configuration: its text without secrets; nil: as it lies on the disk, if it does.
    ///   - isLess: whether secrets are left out.
    private init(
        _ source: BackupSource, _ options: BackupOptions, gate: RemovalGate?, lock: InstanceLock?, snapshot: String,
        files: [DatabaseSnapshot.File], configuration: [UInt8]?, isLess: Bool, now: Double
    ) {
        self.gate = gate
        self.lock = lock
        self.snapshot = snapshot
        let directory = source.directory
        let below = source.vault.hasPrefix(directory.path + "/") ? source.vault.dropFirst(directory.path.count + 1) : ""
        var folders = [BackupFolder(name: BackupLayout.vault, place: source.vault, without: directory)]
        if options.withFiles {
            folders.append(BackupFolder(name: BackupLayout.workspace, place: directory.workspace, without: directory))
        }
        self.folders = folders
        let links = folders.flatMap { $0.find(links: true) }.map(\.path)
        information = BackupInformation(
            createdAt: now, version: source.version, name: source.name, nodeID: source.nodeID,
            withKeys: options.withKeys, withFiles: options.withFiles,
            vault: BackupLayout.isPlaceOfNotes(String(below)) ? String(below) : nil,
            leftOut: links.isEmpty ? nil : Array(links.prefix(100)), withoutSecrets: isLess ? true : nil)
        jobs = [
            .init(path: BackupLayout.configuration, place: directory.configuration, bytes: configuration),
            .init(path: BackupLayout.database, place: snapshot, isNeeded: true),
            .init(path: BackupLayout.addressHints, place: directory.addressHints),
        ]
        if options.withKeys {
            jobs.append(.init(path: BackupLayout.identityKey, place: directory.identityKey, isNeeded: true))
        }
        jobs += files.map { file in
            let name = "\(file.id)/\(file.filename)"
            return .init(path: BackupLayout.files + name, place: "\(directory.files)/\(name)")
        }
        // The last one is taken first.
        jobs.reverse()
    }

    deinit {
        if descriptor >= 0 { Glibc.close(descriptor) }
        unlink(snapshot)
        gate?.release()
    }

    // MARK: Reading

    /// The next bytes of the archive; nil at its end.
    ///
    /// - Throws: ``BackupError``, ``PrivateFileError``; then there is no backup.
    public func next() throws -> ByteBuffer? {
        if !hasBegun {
            hasBegun = true
            return entry(BackupLayout.information, smallFileJSON(information), time: Int64(information.createdAt))
        }
        while !hasEnded {
            try Task.checkCancellation()
            if file != nil { return try goOn() }
            if let job = jobs.popLast() {
                if let begun = try begin(job) { return begun }
            } else if !lookAgain() {
                hasEnded = true
                var last = entry(BackupLayout.sums, sums, time: Int64(information.createdAt))
                last.writeBytes(Tar.end)
                return last
            }
        }
        return nil
    }

    /// Finds more to do; false when all is done. What was moved between looking and reading has another name by now, and
    /// is found under it.
    private func lookAgain() -> Bool {
        if let now = current, !now.hasGaps || now.looks >= Self.mostLooks { current = nil }
        if current == nil {
            guard !folders.isEmpty else { return false }
            current = (folders.removeFirst(), 0, [], false)
        }
        guard var now = current else { return false }
        now.looks += 1
        now.hasGaps = false
        jobs = now.folder.find().filter { now.seen.insert($0.path).inserted }.reversed()
        current = now
        return true
    }

    /// - Returns: nil when the file is gone.
    private func begin(_ job: BackupFolder.Job) throws -> ByteBuffer? {
        if let bytes = job.bytes { return entry(job.path, bytes, time: Int64(information.createdAt)) }
        let descriptor = open(job.place, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else {
            let error = PrivateFileError(path: job.place, operation: "open", code: errno)
            guard [ENOENT, ENOTDIR, ELOOP].contains(error.code), !job.isNeeded else { throw error }
            current?.hasGaps = true
            return nil
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            Glibc.close(descriptor)
            if job.isNeeded { throw PrivateFileError(path: job.place, operation: "read", code: EINVAL) }
            return nil
        }
        let (size, time) = (Int64(status.st_size), Int64(status.st_mtim.tv_sec))
        if size <= Int64(Self.small) {
            defer { Glibc.close(descriptor) }
            // As many bytes as there are, whatever was said before.
            if let bytes = try readWhole(descriptor, job.place) { return entry(job.path, bytes, time: time) }
            throw BackupError.changed(path: job.place)
        }
        file = OpenFile(path: job.path, place: job.place, size: size, rest: size)
        self.descriptor = descriptor
        return ByteBuffer(bytes: Tar.header(.init(path: job.path, size: size), time: time))
    }

    private func goOn() throws -> ByteBuffer? {
        guard var now = file else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(min(Int64(Self.piece), now.rest)))
        let count = read(descriptor, &bytes, bytes.count)
        if count < 0, errno == EINTR { return ByteBuffer() }
        guard count > 0 else { throw BackupError.changed(path: now.place) }
        bytes.removeLast(bytes.count - count)
        bytes.withUnsafeBytes { now.digest.update($0) }
        now.rest -= Int64(count)
        guard now.rest == 0 else {
            file = now
            return ByteBuffer(bytes: bytes)
        }
        file = nil
        Glibc.close(descriptor)
        descriptor = -1
        sums += BackupLayout.line(now.path, sha256: now.digest.finish()).utf8
        return ByteBuffer(bytes: bytes + [UInt8](repeating: 0, count: Tar.padding(now.size)))
    }

    /// Nil when it has become large.
    private func readWhole(_ descriptor: Int32, _ place: String) throws -> [UInt8]? {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: Self.piece)
        while true {
            let count = read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw PrivateFileError(path: place, operation: "read", code: errno) }
            guard count > 0 else { return bytes }
            bytes += piece.prefix(count)
            guard bytes.count <= 2 * Self.small else { return nil }
        }
    }

    /// A whole file in the archive.
    private func entry(_ path: String, _ bytes: [UInt8], time: Int64) -> ByteBuffer {
        if path != BackupLayout.sums {
            let digest = RunningDigest()
            bytes.withUnsafeBytes { digest.update($0) }
            sums += BackupLayout.line(path, sha256: digest.finish()).utf8
        }
        let size = Int64(bytes.count)
        var buffer = ByteBuffer(bytes: Tar.header(.init(path: path, size: size), time: time))
        buffer.writeBytes(bytes)
        buffer.writeRepeatingByte(0, count: Tar.padding(size))
        return buffer
    }
}
