internal import Foundation
public import Store

// Where are the files that users and the agent exchange, and how large may they be? Places and bounds in one value; it
// touches no disk.

/// What a gateway needs to keep files.
public struct AgentFiles: Sendable {
    public var directory: AgentDirectory
    /// The folder of the notes; answers may give files away that lie in it.
    public var vault: String
    /// The largest file, in bytes.
    public var largest: Int64
    public var repository: ArtifactRepository
    /// Uploads that one user may have begun.
    public var unfinishedUploads = 16
    /// Bytes that one user's unfinished uploads may come to.
    public var unfinishedBytes: Int64
    /// Files that one user may have.
    public var filesPerUser = 10_000
    /// Bytes that one user's files may come to.
    public var bytesPerUser: Int64 = 100 << 30
    /// How long an unfinished upload is kept, in seconds.
    public var uploadMemory: Double = 24 * 3600

    public init(directory: AgentDirectory, vault: String, largest: Int64, repository: ArtifactRepository) {
        self.directory = directory
        self.vault = vault
        self.largest = largest
        self.repository = repository
        unfinishedBytes = largest.multipliedReportingOverflow(by: 4).partialValue
    }

    /// Where a file of this id is.
    func path(of record: ArtifactRecord) -> String { "\(directory.files)/\(record.id)/\(record.filename)" }

    /// The id in a path of a file, if it is one: its owner is another question.
    func id(in path: String) -> (id: String, filename: String)? {
        guard path.hasPrefix(directory.files + "/") else { return nil }
        let parts = path.dropFirst(directory.files.count + 1).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, Self.isID(parts[0]), !parts[1].isEmpty, parts[1] != ".", parts[1] != ".." else {
            return nil
        }
        return (String(parts[0]), String(parts[1]))
    }

    /// 32 lower-case hexadecimal digits.
    static func isID(_ text: some StringProtocol) -> Bool {
        text.utf8.count == 32 && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }
}

/// Why a file is not taken or given.
enum FileError: Error, Equatable {
    case tooLarge(limit: Int64)
    /// The disk is full.
    case noSpace
    /// The user has as many files, or bytes in them, as one may have.
    case overQuota
    /// Another request goes on with this upload.
    case superseded
    case tooManyUploads
    /// The piece does not begin where the last one ended.
    case wrongOffset(received: Int64)
    /// The same upload id was used for another file.
    case otherFile
    case wrongDigest
    case failed(PrivateFileError)

    init(_ error: PrivateFileError) {
        self = [ENOSPC, EDQUOT, EFBIG].contains(error.code) ? .noSpace : .failed(error)
    }
}
