// Whose turns run one after the other?

/// What makes a lane.
public enum SessionLane: String, Sendable, CaseIterable {
    /// A device: one turn of it runs at a time, whatever the session.
    case client
    /// A device's session: conversations of one device go on side by side.
    case session
}
