// What stands behind a reference that was stored over REST? The same as in openagent.yaml, and hidden files of the agent's stay out of
// reach as well: whoever may store a reference may also say where the secret is sent.

/// Replaces references in stored secrets.
struct SecretReferences: Sendable {
    private let references: ConfigurationReferences

    init(environment: [String: String], directory: AgentDirectory) {
        references = ConfigurationReferences(environment: environment, directory: directory, refusesHidden: true)
    }

    /// - Throws: ``ConfigurationReferenceError``, which never holds a value.
    func replace(in text: String) throws(ConfigurationReferenceError) -> String { try references.replace(in: text) }
}
