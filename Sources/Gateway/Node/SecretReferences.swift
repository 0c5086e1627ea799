internal import Foundation

// What stands behind a reference that was stored over REST? The same as in openagent.yaml, except for the agent's own files: whoever may
// store a reference may also say where the secret is sent, and the agent's key and database are nobody's secret to send.

/// Replaces references in stored secrets.
struct SecretReferences: Sendable {
    private let references: ConfigurationReferences
    private let directory: AgentDirectory

    init(environment: [String: String], directory: AgentDirectory) {
        references = ConfigurationReferences(environment: environment, directory: directory)
        self.directory = directory
    }

    /// - Throws: ``ConfigurationReferenceError``, which never holds a value.
    func replace(in text: String) throws(ConfigurationReferenceError) -> String {
        for match in text.matches(of: /\{file:([^{}]+)\}/) where isReserved(String(match.1)) {
            throw .outside(String(match.1))
        }
        return try references.replace(in: text)
    }

    /// Keys and databases, by whatever path or link they are named.
    private func isReserved(_ path: String) -> Bool {
        guard let resolved = directory.resolve(path) else { return false }
        let (target, root) = (Self.real(resolved), Self.real(directory.path))
        guard target.hasPrefix(root + "/") else { return false }
        let inner = target.dropFirst(root.count + 1)
        return inner.hasPrefix(".") || inner == "identity.key" || inner.hasPrefix("openagent.db")
    }

    private static func real(_ path: String) -> String { URL(filePath: path).resolvingSymlinksInPath().path }
}
