// Which version of OpenAgent is this? Said by `openagent version`, `GET /api/health` and `auth_ok`.

/// The version of this build.
public enum OpenAgentVersion {
    /// Semantic version of the product, not of any wire format.
    public static let current = "0.1.0"
}
