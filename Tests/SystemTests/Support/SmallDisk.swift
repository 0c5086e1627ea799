import Foundation
import Testing

// A disk in memory that only one program sees, and that a test fills.

enum SmallDisk {
    /// Whether this machine lets us mount something nobody else sees.
    static let canMount = Namespaces.allow("-rm", "mount -t tmpfs tmpfs /mnt")

    /// Writes to `path` until nothing more goes in.
    static func fill(_ path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        try #require(descriptor >= 0, "\(String(cString: strerror(errno)))")
        defer { close(descriptor) }
        let block = [UInt8](repeating: 1, count: 4096)
        while write(descriptor, block, block.count) > 0 {}
        #expect(errno == ENOSPC)
    }
}

extension TestHome {
    /// Starts `openagent` with a small disk at `folder`, which has what was there.
    func start(
        _ arguments: [String], onDiskOf megabytes: Int, at folder: URL, environment: [String: String] = [:]
    ) throws -> Program {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return try launch(
            "/usr/bin/unshare",
            [
                "-rm", "sh", "-c",
                "cp -a \"$0\" \"$0.before\" && mount -t tmpfs -o size=\(megabytes)m,mode=700 tmpfs \"$0\" "
                    + "&& cp -a \"$0.before/.\" \"$0\" && exec \"$@\"",
                folder.path, Self.binary,
            ] + arguments, environment: environment)
    }

    /// A path of `program`'s own disk, as others reach it.
    func path(_ path: String, of program: Program) -> String { "/proc/\(program.pid)/root\(path)" }
}
