internal import Synchronization

// How does a tool call other tools, when all tools together are put together after it? Through a place that is filled once they are.

/// Holds the door to all tools.
public final class ToolboxSlot: Sendable {
    private let toolbox = Mutex<(any Toolbox)?>(nil)

    public init() {}

    /// Nil until ``set(_:)``.
    public var current: (any Toolbox)? { toolbox.withLock { $0 } }

    public func set(_ new: any Toolbox) { toolbox.withLock { $0 = new } }
}
