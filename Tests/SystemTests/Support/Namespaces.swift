import Foundation

// Does this machine let a test have a world that nobody else sees?

enum Namespaces {
    /// Whether `script` succeeds in namespaces of its own.
    ///
    /// - Parameter kinds: options of `unshare`.
    static func allow(_ kinds: String, _ script: String) -> Bool {
        let probe = Process()
        probe.executableURL = URL(fileURLWithPath: "/usr/bin/unshare")
        probe.arguments = [kinds, "sh", "-c", script]
        probe.standardError = FileHandle.nullDevice
        guard (try? probe.run()) != nil else { return false }
        probe.waitUntilExit()
        return probe.terminationStatus == 0
    }
}
