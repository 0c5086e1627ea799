// What does `GET /api/system` say? The object of `system_snapshot`, and what the gateway itself has to do.

/// How the machine and the gateway are.
public struct SystemReport: Sendable, Equatable, Codable {
    /// What the gateway has to do.
    public struct Work: Sendable, Equatable, Codable {
        public var turnsRunning: Int
        public var turnsWaiting: Int
        /// Open WebSockets.
        public var sockets: Int

        public init(turnsRunning: Int, turnsWaiting: Int, sockets: Int) {
            self.turnsRunning = turnsRunning
            self.turnsWaiting = turnsWaiting
            self.sockets = sockets
        }

        private enum CodingKeys: String, CodingKey {
            case sockets
            case turnsRunning = "turns_running"
            case turnsWaiting = "turns_waiting"
        }
    }

    public var system: SystemSnapshot
    public var work: Work

    public init(system: SystemSnapshot, work: Work) {
        self.system = system
        self.work = work
    }

    private enum Key: String, CodingKey { case gateway }

    public init(from decoder: any Decoder) throws {
        system = try SystemSnapshot(from: decoder)
        work = try decoder.container(keyedBy: Key.self).decode(Work.self, forKey: .gateway)
    }

    public func encode(to encoder: any Encoder) throws {
        try system.encode(to: encoder)
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(work, forKey: .gateway)
    }
}
