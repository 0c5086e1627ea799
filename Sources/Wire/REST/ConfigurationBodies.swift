public import JSON

// How is the configuration changed over REST? What a change did; the configuration itself is JSON whose shape nobody decides
// here. `GET` answers it without secrets, which are `[redacted]`.

/// The answer to `PUT /api/config` and `PATCH /api/config/{section}`; the latter's also has the section under its own name,
/// unless that is one of these.
public struct ConfigurationChanged: Codable, Sendable, Equatable {
    /// True.
    public var ok = true
    /// Whether something of it counts after a restart.
    public var restartRequired: Bool
    /// Which settings those are, e.g. `network.port`.
    public var restartKeys: [String]
    /// What somebody should know, in sentences; e.g. keys that this version does not know.
    public var warnings: [String]
    /// Of the file as it is now.
    public var etag: String
    /// The section that was changed, when it was one.
    public var section: String?
    /// What it says now, without secrets; null when it is gone.
    public var value: JSONValue?
    /// The whole configuration, when all of it was written.
    public var config: JSONValue?

    public init(
        restartKeys: [String], warnings: [String], etag: String, section: String? = nil, value: JSONValue? = nil,
        config: JSONValue? = nil
    ) {
        restartRequired = !restartKeys.isEmpty
        self.restartKeys = restartKeys
        self.warnings = warnings
        self.etag = etag
        self.section = section
        self.value = value
        self.config = config
    }

    private enum CodingKeys: String, CodingKey {
        case ok, warnings, etag, section, value, config
        case restartRequired = "restart_required"
        case restartKeys = "restart_keys"
    }
}
