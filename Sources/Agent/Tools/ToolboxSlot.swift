internal import Synchronization

// How does a tool call other tools, when all tools together are put together after it? Through a place that is filled once they are.

/// Holds the door to all tools.
public final class ToolboxSlot: Sendable {
    private let toolbox = Mutex<(any Toolbox)?>(nil)

    public init() {}

    /// Nil before ``set(_:)`` and after ``clear()``.
    public var current: (any Toolbox)? { toolbox.withLock { $0 } }

    public func set(_ new: any Toolbox) { toolbox.withLock { $0 = new } }

    /// To be called when nobody calls tools any more: the tools behind the door hold this slot, and it holds them.
    public func clear() { toolbox.withLock { $0 = nil } }
}
