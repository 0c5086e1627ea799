internal import Certs
internal import Foundation
internal import Glibc
internal import Store

// What stands in an archive, file by file? Each name is checked before anything is made of it, each byte is counted into the sums,
// and the last file has to be exactly those. Nothing is ever written but new regular files in new folders.

/// One reading of an archive into an empty folder.
struct BackupUnpacking {
    private static let piece = 256 << 10
    private static let deepest = 64

    private let path: String
    private let folder: String
    private let descriptor: Descriptor
    private let sums = RunningDigest()
    private var contents: BackupArchive.Contents?
    private var files = 0
    /// Whether the files themselves are of interest, or only the database.
    private let isWhole: Bool
    /// The sizes of the users' files by their names.
    private(set) var userFiles: [String: Int64] = [:]

    /// Closed with its last user.
    private final class Descriptor {
        let number: Int32
        init(_ number: Int32) { self.number = number }
        deinit { close(number) }
    }

    /// - Throws: ``BackupError``
    init(_ path: String, into folder: String, isWhole: Bool) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw BackupError.failed("cannot open \(path): \(String(cString: strerror(errno)))")
        }
        self.descriptor = Descriptor(descriptor)
        self.path = path
        self.folder = folder
        self.isWhole = isWhole
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw BackupError.notABackup(path: path)
        }
    }

    /// Reads it to its end.
    ///
    /// - Throws: ``BackupError``
    mutating func run() throws -> BackupArchive.Contents {
        var size: Int64 = 0
        while let (entry, time) = try nextEntry() {
            files += 1
            guard files <= BackupLayout.mostFiles else { throw hostile("there are too many files in it") }
            if contents == nil {
                try readInformation(entry)
            } else if entry.path == BackupLayout.sums {
                try checkSums(entry)
                try checkEnd()
                guard var contents else { break }
                var status = stat()
                size = fstat(descriptor.number, &status) == 0 ? Int64(status.st_size) : 0
                contents.files = files - 1
                contents.size = size
                return contents
            } else {
                try unpack(entry, time: time)
            }
        }
        throw contents == nil
            ? BackupError.notABackup(path: path) : BackupError.damaged(path: path, reason: "it ends too early")
    }

    // MARK: Entries

    /// Nil at the end.
    private mutating func nextEntry() throws -> (entry: Tar.Entry, time: Int64)? {
        var records: (path: [UInt8]?, size: Int64?) = (nil, nil)
        for _ in 0..<2 {
            let block: [UInt8]
            do { block = try take(Tar.block) } catch  where contents == nil {
                throw BackupError.notABackup(path: path)
            }
            switch Tar.read(block) {
            case .end?: return nil
            case .records(let size)?:
                guard records.path == nil, records.size == nil,
                    let read = Tar.readRecords(
                        try take(size + Tar.padding(Int64(size))).dropLast(Tar.padding(Int64(size))))
                else { throw hostile("a header is none of ours") }
                records = read
            case .file(let name, let size, let time)?:
                let bytes = records.path ?? name
                guard let text = String(validating: bytes, as: UTF8.self), BackupLayout.isAllowed(text) else {
                    throw hostile("it names \(String(decoding: bytes.prefix(200), as: UTF8.self).debugDescription)")
                }
                guard text.split(separator: "/").count <= Self.deepest else { throw hostile("a path is too deep") }
                return (Tar.Entry(path: text, size: records.size ?? size), time)
            case nil:
                if contents == nil { throw BackupError.notABackup(path: path) }
                throw hostile("a header is none of ours")
            }
        }
        throw hostile("a header is none of ours")
    }

    private mutating func readInformation(_ entry: Tar.Entry) throws {
        guard entry.path == BackupLayout.information, entry.size <= BackupLayout.longestInformation else {
            throw BackupError.notABackup(path: path)
        }
        let bytes = try takeFile(entry)
        struct Format: Decodable { var format: Int }
        guard let format = try? JSONDecoder().decode(Format.self, from: Data(bytes)).format else {
            throw BackupError.notABackup(path: path)
        }
        guard format <= BackupInformation.currentFormat else { throw BackupError.newer(path: path) }
        guard let information = try? JSONDecoder().decode(BackupInformation.self, from: Data(bytes)),
            information.vault.map(BackupLayout.isPlaceOfNotes) ?? true
        else { throw BackupError.notABackup(path: path) }
        contents = BackupArchive.Contents(information: information)
    }

    private mutating func unpack(_ entry: Tar.Entry, time: Int64) throws {
        guard entry.path != BackupLayout.information else { throw hostile("a name is in it twice") }
        if entry.path.hasPrefix(BackupLayout.vault) { contents?.notes += 1 }
        if entry.path.hasPrefix(BackupLayout.files) { userFiles[entry.path] = entry.size }
        guard isWhole || entry.path == BackupLayout.database else {
            try digest(of: entry) { _ in }
            return
        }
        let place = "\(folder)/\(entry.path)"
        if let slash = place.lastIndex(of: "/") {
            try BackupArchive.failing { () throws(PrivateFileError) in
                try PrivateFile.createFolder(String(place[..<slash]))
            }
        }
        // The folder was empty and nothing in it was made but by this: a name that is there stands in the archive twice.
        let file = open(place, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            if errno == EEXIST { throw hostile("a name is in it twice") }
            throw BackupError.failed("cannot make \(place): \(String(cString: strerror(errno)))")
        }
        defer { close(file) }
        try digest(of: entry) { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else {
                    throw BackupError.failed("cannot write \(place): \(String(cString: strerror(errno)))")
                }
                rest = rest.dropFirst(count)
            }
        }
        var times = [timespec(tv_sec: Int(time), tv_nsec: 0), timespec(tv_sec: Int(time), tv_nsec: 0)]
        futimens(file, &times)
    }

    private mutating func takeFile(_ entry: Tar.Entry) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try digest(of: entry) { bytes += $0 }
        return bytes
    }

    /// Reads a file, and counts it into the sums.
    private func digest(of entry: Tar.Entry, _ body: ([UInt8]) throws -> Void) throws {
        let digest = RunningDigest()
        try copy(entry.size) { bytes in
            bytes.withUnsafeBytes { digest.update($0) }
            try body(bytes)
        }
        let line = BackupLayout.line(entry.path, sha256: digest.finish())
        Array(line.utf8).withUnsafeBytes { sums.update($0) }
    }

    private func checkSums(_ entry: Tar.Entry) throws {
        let said = RunningDigest()
        try copy(entry.size) { bytes in bytes.withUnsafeBytes { said.update($0) } }
        guard said.finish() == sums.finish() else {
            throw BackupError.damaged(path: path, reason: "its sums do not agree with its files")
        }
    }

    /// Behind the sums there are two blocks of zeros, and nothing else.
    private func checkEnd() throws {
        guard try take(Tar.end.count) == Tar.end else { throw hostile("something stands behind its end") }
        var one: UInt8 = 0
        guard read(descriptor.number, &one, 1) == 0 else { throw hostile("something stands behind its end") }
    }

    // MARK: Bytes

    private func copy(_ size: Int64, _ body: ([UInt8]) throws -> Void) throws {
        var rest = size
        while rest > 0 {
            let bytes = try take(Int(min(rest, Int64(Self.piece))))
            rest -= Int64(bytes.count)
            try body(bytes)
        }
        guard try take(Tar.padding(size)).allSatisfy({ $0 == 0 }) else {
            throw hostile("there is something between files")
        }
    }

    private func take(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let got = bytes.withUnsafeMutableBytes {
                read(descriptor.number, $0.baseAddress?.advanced(by: filled), count - filled)
            }
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { throw BackupError.damaged(path: path, reason: "it ends too early") }
            filled += got
        }
        return bytes
    }

    private func hostile(_ reason: String) -> BackupError { .hostile(path: path, reason: reason) }
}
