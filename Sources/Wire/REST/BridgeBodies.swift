// What is said over REST about bridges: how each is, whom it may let talk, and how somebody is let in by a code.

/// The body of `PUT /api/bridges/{platform}/status`: how a bridge says it is.
public struct BridgeStatus: Codable, Sendable, Equatable {
    public enum State: String, Codable, Sendable, CaseIterable {
        /// On its way to the platform, or waiting before it tries again.
        case connecting
        case connected
        /// An admin has to do something about it.
        case failed
        /// It was ended in good order.
        case stopped
    }

    /// A chat that takes nothing any more.
    public struct Parked: Codable, Sendable, Equatable {
        /// The platform's id.
        public var chat: String
        /// A sentence.
        public var reason: String

        public init(chat: String, reason: String) {
            self.chat = chat
            self.reason = reason
        }
    }

    /// Parked chats that are told; of more only these.
    public static let mostParked = 100

    /// A ``State``; others may come.
    public var state: String
    /// What the platform calls the bridge's account.
    public var account: String?
    /// Unix seconds since when the state is so.
    public var since: Double?
    /// Messages that are to be sent.
    public var waiting: Int?
    public var parked: [Parked]?
    /// Why it isn't connected, in a sentence without secrets.
    public var problem: String?

    public init(
        state: State, account: String? = nil, since: Double? = nil, waiting: Int? = nil, parked: [Parked]? = nil,
        problem: String? = nil
    ) {
        self.state = state.rawValue
        self.account = account
        self.since = since
        self.waiting = waiting
        self.parked = parked
        self.problem = problem
    }
}

/// One bridge, as admins see it.
public struct BridgeBody: Codable, Sendable, Equatable {
    public var platform: String
    /// The device it runs on, by its key; nil: in the agent itself.
    public var device: String?
    /// Whose device that is.
    public var handle: String?
    /// As ``BridgeStatus/state``; also `not_started` for a channel whose settings don't suffice, and `gone` for a bridge elsewhere
    /// that is not connected to the agent.
    public var state: String
    public var account: String?
    public var since: Double?
    public var waiting: Int
    public var parked: [BridgeStatus.Parked]
    public var problem: String?

    public init(
        platform: String, device: String?, handle: String?, state: String, account: String?, since: Double?,
        waiting: Int, parked: [BridgeStatus.Parked], problem: String?
    ) {
        self.platform = platform
        self.device = device
        self.handle = handle
        self.state = state
        self.account = account
        self.since = since
        self.waiting = waiting
        self.parked = parked
        self.problem = problem
    }
}

/// `GET /api/bridges?limit=&cursor=`
public struct BridgesBody: Codable, Sendable, Equatable {
    public var bridges: [BridgeBody]
    public var nextCursor: String?

    public init(bridges: [BridgeBody], nextCursor: String? = nil) {
        self.bridges = bridges
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case bridges
        case nextCursor = "next_cursor"
    }
}

/// The answer to `PUT /api/bridges/{platform}/status`.
public struct BridgeStatusTaken: Codable, Sendable, Equatable {
    public var ok: Bool

    public init(ok: Bool) { self.ok = ok }
}

/// The answer to `GET /api/bridges/{platform}/senders/{id}`: whether an admin let somebody talk through the bridge that asks.
public struct SenderStanding: Codable, Sendable, Equatable {
    public var approved: Bool

    public init(approved: Bool) { self.approved = approved }
}

/// The body of `POST /api/bridges/{platform}/pairings`.
public struct NewPairing: Codable, Sendable, Equatable {
    /// The platform's id of whoever wants to talk; at most 128 bytes.
    public var sender: String
    /// What the platform calls them, for the admin; at most 128 bytes are kept.
    public var name: String

    public init(sender: String, name: String) {
        self.sender = sender
        self.name = name
    }
}

/// Its answer.
public struct PairingCode: Codable, Sendable, Equatable {
    /// What an admin gives to `openagent bridge approve`: the same for a sender as long as it counts.
    public var code: String
    /// Unix seconds.
    public var expiresAt: Double

    public init(code: String, expiresAt: Double) {
        self.code = code
        self.expiresAt = expiresAt
    }

    private enum CodingKeys: String, CodingKey {
        case code
        case expiresAt = "expires_at"
    }
}

/// Somebody who asked to be let in, without the code: that an admin hears from them.
public struct PairingBody: Codable, Sendable, Equatable {
    public var platform: String
    public var sender: String
    public var name: String
    /// As ``BridgeBody/device``.
    public var device: String?
    public var createdAt: Double
    public var expiresAt: Double

    public init(
        platform: String, sender: String, name: String, device: String?, createdAt: Double, expiresAt: Double
    ) {
        self.platform = platform
        self.sender = sender
        self.name = name
        self.device = device
        self.createdAt = createdAt
        self.expiresAt = expiresAt
    }

    private enum CodingKeys: String, CodingKey {
        case platform, sender, name, device
        case createdAt = "created_at"
        case expiresAt = "expires_at"
    }
}

/// `GET /api/bridges/{platform}/pairings?limit=&cursor=`
public struct PairingsBody: Codable, Sendable, Equatable {
    public var pairings: [PairingBody]
    public var nextCursor: String?

    public init(pairings: [PairingBody], nextCursor: String? = nil) {
        self.pairings = pairings
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case pairings
        case nextCursor = "next_cursor"
    }
}

/// Somebody who may talk because an admin said so.
public struct SenderBody: Codable, Sendable, Equatable {
    public var platform: String
    public var sender: String
    public var name: String
    /// As ``BridgeBody/device``.
    public var device: String?
    public var approvedBy: String
    public var approvedAt: Double

    public init(
        platform: String, sender: String, name: String, device: String?, approvedBy: String, approvedAt: Double
    ) {
        self.platform = platform
        self.sender = sender
        self.name = name
        self.device = device
        self.approvedBy = approvedBy
        self.approvedAt = approvedAt
    }

    private enum CodingKeys: String, CodingKey {
        case platform, sender, name, device
        case approvedBy = "approved_by"
        case approvedAt = "approved_at"
    }
}

/// `GET /api/bridges/{platform}/senders?limit=&cursor=`
public struct SendersBody: Codable, Sendable, Equatable {
    public var senders: [SenderBody]
    public var nextCursor: String?

    public init(senders: [SenderBody], nextCursor: String? = nil) {
        self.senders = senders
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case senders
        case nextCursor = "next_cursor"
    }
}

/// The answer to `POST /api/bridges/pairings/{code}/approve`.
public struct PairingApproved: Codable, Sendable, Equatable {
    public var ok: Bool
    public var sender: SenderBody

    public init(ok: Bool, sender: SenderBody) {
        self.ok = ok
        self.sender = sender
    }
}

/// The answer to `DELETE /api/bridges/{platform}/senders/{id}`.
public struct SenderRemoved: Codable, Sendable, Equatable {
    public var ok: Bool
    /// Of how many bridges of the platform.
    public var removed: Int

    public init(ok: Bool, removed: Int) {
        self.ok = ok
        self.removed = removed
    }
}
