// How much room may a log take? Its file is divided when it is full, and the oldest part goes.

/// When a log file is divided, and how many parts stay besides the one that is written.
public struct LogFileLimits: Sendable, Equatable {
    /// Bytes of one file, 64 KiB to 1 GiB.
    public var size = 10 << 20
    /// Older files that stay, 0 to 100.
    public var keep = 5

    public init(size: Int = 10 << 20, keep: Int = 5) {
        self.size = size
        self.keep = keep
    }

    mutating func read(_ section: inout ConfigurationSection) throws(ConfigurationError) {
        size = try section.integer("max_size", in: (64 << 10)...(1 << 30)) ?? size
        keep = try section.integer("keep", in: 0...100) ?? keep
    }
}
