// How is the agent's machine? The numbers that clients show, measured by the gateway.

/// A measurement of the machine.
public struct SystemSnapshot: Sendable, Equatable, Codable {
    public struct Processor: Sendable, Equatable, Codable {
        /// Busy time of all processors since the measurement before, 0 to 100; 0 in the first one.
        public var percent: Double
        public var count: Int
        /// Processes that were ready to run, averaged over 1, 5 and 15 minutes.
        public var load: [Double]

        public init(percent: Double, count: Int, load: [Double]) {
            self.percent = percent
            self.count = count
            self.load = load
        }
    }

    /// Room in bytes.
    public struct Space: Sendable, Equatable, Codable {
        public var total: Int64
        /// What programs can't have.
        public var used: Int64
        /// 0 to 100.
        public var percent: Double

        public init(total: Int64, used: Int64) {
            self.total = total
            self.used = used
            percent = total > 0 ? (1000 * Double(used) / Double(total)).rounded() / 10 : 0
        }
    }

    /// The agent's own process.
    public struct Process: Sendable, Equatable, Codable {
        /// Seconds since its start.
        public var uptime: Double
        /// Resident bytes.
        public var memory: Int64
        /// Of one processor, 0 to 100 times their number.
        public var percent: Double

        public init(uptime: Double, memory: Int64, percent: Double) {
            self.uptime = uptime
            self.memory = memory
            self.percent = percent
        }
    }

    /// Unix seconds.
    public var time: Double
    public var cpu: Processor
    public var memory: Space
    /// The file system of the agent's folder.
    public var disk: Space
    public var process: Process

    public init(time: Double, cpu: Processor, memory: Space, disk: Space, process: Process) {
        self.time = time
        self.cpu = cpu
        self.memory = memory
        self.disk = disk
        self.process = process
    }
}
