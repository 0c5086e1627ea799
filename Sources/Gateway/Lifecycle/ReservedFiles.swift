internal import Glibc
internal import Wire

// Which files may no reference name? An agent's key, its database and its state: whoever may write a reference may also say where its
// value goes, and these are nobody's to send. They are recognised under any name, through links of both kinds.

extension AgentDirectory {
    /// Whether a file is one of these.
    ///
    /// - Parameters:
    ///   - file: absolute.
    ///   - hiddenToo: whether everything hidden in the agent's folder is.
    func isReserved(_ file: String, hiddenToo: Bool) -> Bool {
        let target = Self.real(file) ?? file
        let root = Self.real(path) ?? path
        // Also that of another agent, or of a device.
        let name = target.split(separator: "/").last ?? ""
        if name == "identity.key" || Self.isBridgeKey(name) { return true }
        if target.hasPrefix(root + "/") {
            let inner = target.dropFirst(root.utf8.count + 1)
            let folders = [".openagent", "bridges"]
            if inner.hasPrefix("openagent.db") || folders.contains(where: { inner == $0 || inner.hasPrefix($0 + "/") })
            {
                return true
            }
            if hiddenToo, inner.split(separator: "/").contains(where: { $0.hasPrefix(".") }) { return true }
        }
        guard let own = Self.place(file) else { return false }
        let keys = Platform.allCases.map(bridgeKey)
        return ([identityKey, database, database + "-wal"] + keys).contains { Self.place($0) == own }
    }

    /// The path without links; nil when there is nothing.
    private static func real(_ path: String) -> String? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return String(cString: real)
    }

    /// Where on which disk the file lies.
    private static func place(_ path: String) -> [UInt64]? {
        var status = stat()
        return stat(path, &status) == 0 ? [UInt64(status.st_dev), UInt64(status.st_ino)] : nil
    }
}
