internal import Glibc
internal import Store

// Where does the agent keep files that are no notes? In a folder of its own, and nothing outside of it can be named: every step is taken
// relative to its parent's descriptor and never through a link, as in the vault. Hidden names are nobody's here.

/// The folder in which an agent works.
actor WorkFolder {
    /// Bytes of a file that is read or written.
    static let largestFile = 4 << 20
    /// Names that one search looks at.
    private static let mostNames = 100_000
    /// How deep one search goes.
    private static let deepest = VaultPath.maximumDepth

    private let files: VaultFiles
    private let executor = BlockingExecutor(label: "openagent.workspace")

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Made at the first write.
    init(_ path: String) {
        files = VaultFiles(
            root: path, maximumNoteSize: Self.largestFile, maximumNotes: 0, maximumAttachmentSize: Self.largestFile)
    }

    struct Entry: Sendable, Equatable {
        var path: VaultPath
        var isFolder: Bool
        var size: Int
    }

    func read(_ path: VaultPath) throws -> [UInt8] {
        try inWords { () throws(VaultError) in try files.read(path).bytes }
    }

    /// Makes or replaces a file.
    ///
    /// - Returns: whether it is new.
    func write(_ bytes: [UInt8], to path: VaultPath) throws -> Bool {
        try inWords { () throws(VaultError) in
            let stamp = try files.stamp(of: path)
            try files.write(bytes, to: path, replacing: stamp)
            return stamp == nil
        }
    }

    /// Makes a new text out of a file's, unless somebody changes it meanwhile.
    func edit(_ path: VaultPath, _ body: (String) throws(ToolRefusal) -> String) throws {
        let (bytes, stamp) = try inWords { () throws(VaultError) in try files.read(path) }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw ToolRefusal("\(path) is no text") }
        let edited = Array(try body(text).utf8)
        try inWords { () throws(VaultError) in _ = try files.write(edited, to: path, replacing: stamp) }
    }

    func delete(_ path: VaultPath) throws {
        try inWords { () throws(VaultError) in
            guard let stamp = try files.stamp(of: path) else { throw VaultError.notFound(path.description) }
            try files.remove(path, expecting: stamp)
        }
    }

    func move(_ path: VaultPath, to other: VaultPath) throws {
        try inWords { () throws(VaultError) in try files.move(path, to: other) }
    }

    func makeFolder(_ path: VaultPath) throws {
        try inWords { () throws(VaultError) in
            try files.openFolder(of: path, creating: true).makeFolder(path.name, path)
            _ = try files.openFolder(of: path, creating: false).folder(path.name, for: path)
        }
    }

    /// What is in a folder, in the order of names.
    ///
    /// - Parameter path: nil: the work folder itself.
    func list(_ path: VaultPath?) throws -> [Entry] {
        var entries: [Entry] = []
        try visit(path, isDeep: false) { entry in
            entries.append(entry)
            return true
        }
        return entries
    }

    /// The files below a folder that a pattern means; links and hidden names are passed over.
    ///
    /// - Returns: at most so many, and whether there are more.
    func paths(matching pattern: GlobPattern, below path: VaultPath?, most: Int) throws -> ([String], hasMore: Bool) {
        let depth = path?.parts.count ?? 0
        var found: [String] = []
        try visit(path, isDeep: true) { entry in
            if Task.isCancelled { return false }
            if !entry.isFolder, pattern.matches(entry.path.parts.dropFirst(depth)) {
                found.append(entry.path.description)
            }
            return found.count <= most
        }
        return (Array(found.prefix(most)), found.count > most)
    }

    /// Looks for a text in all files below a folder.
    ///
    /// - Parameter until: when to give up.
    /// - Returns: the lines, and whether everything was looked at.
    func search(
        _ search: TextSearch, below path: VaultPath?, matching pattern: GlobPattern?, most: Int,
        until: ContinuousClock.Instant
    ) throws -> (found: [TextSearch.Match], isWhole: Bool) {
        let depth = path?.parts.count ?? 0
        var found: [TextSearch.Match] = []
        var isWhole = true
        try visit(path, isDeep: true) { entry in
            guard !entry.isFolder, pattern?.matches(entry.path.parts.dropFirst(depth)) ?? true,
                entry.size <= Self.largestFile
            else {
                return true
            }
            guard ContinuousClock.now < until, !Task.isCancelled else {
                isWhole = false
                return false
            }
            guard let (bytes, _) = try? files.read(entry.path) else { return true }
            found += search.matches(in: bytes, of: entry.path, most: most - found.count + 1)
            if found.count > most {
                found.removeLast(found.count - most)
                isWhole = false
            }
            return isWhole
        }
        return (found, isWhole)
    }

    // MARK: Steps

    private func visit(_ path: VaultPath?, isDeep: Bool, _ body: (Entry) throws -> Bool) throws {
        let folder: FolderDescriptor
        do throws(VaultError) {
            if let path {
                folder = try files.openFolder(of: path, creating: false).folder(path.name, for: path)
            } else {
                folder = try files.openRoot()
            }
        } catch .notFound where path == nil {
            return
        } catch {
            throw Self.refusal(error)
        }
        var left = Self.mostNames
        _ = try walk(folder, path?.parts ?? [], isDeep, &left, body)
    }

    private func walk(
        _ folder: borrowing FolderDescriptor, _ prefix: [String], _ isDeep: Bool, _ left: inout Int,
        _ body: (Entry) throws -> Bool
    ) throws -> Bool {
        let names: [String]
        do throws(VaultError) { names = try folder.names() } catch { throw Self.refusal(error) }
        for name in names.sorted() where VaultPath.isVisibleName(name) {
            left -= 1
            guard left >= 0 else { throw ToolRefusal("there are too many files: name a folder") }
            guard let status = folder.status(of: name),
                let path = try? VaultPath((prefix + [name]).joined(separator: "/"))
            else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFREG:
                guard try body(Entry(path: path, isFolder: false, size: Int(status.st_size))) else { return false }
            case S_IFDIR:
                guard try body(Entry(path: path, isFolder: true, size: 0)) else { return false }
                guard isDeep, prefix.count + 1 < Self.deepest, let inner = try? folder.folder(name, for: path) else {
                    continue
                }
                guard try walk(inner, prefix + [name], isDeep, &left, body) else { return false }
            default: continue
            }
        }
        return true
    }

    // MARK: Words

    private func inWords<Value>(_ body: () throws(VaultError) -> Value) throws(ToolRefusal) -> Value {
        do { return try body() } catch { throw Self.refusal(error) }
    }

    private static func refusal(_ error: VaultError) -> ToolRefusal {
        switch error {
        case .invalidPath(let path):
            ToolRefusal(
                "'\(path.prefix(200))' is no path of the work folder: use names below it, without '..' and without "
                    + "names that begin with a dot")
        case .notFound(let path): ToolRefusal("there is nothing at \(path)")
        case .notARegularFile(let path):
            ToolRefusal("what is at \(path) is no regular file below the work folder; links are not followed")
        case .tooLarge(let path, let limit): ToolRefusal("\(path) is larger than \(limit) bytes")
        default: ToolRefusal(error.description)
        }
    }
}
