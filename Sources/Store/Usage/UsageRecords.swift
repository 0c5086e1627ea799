// What does a call of a model cost, and what may be spent in a day? The values that usage tables hold, in domain terms. Money is
// a whole number of billionths of a US dollar, so that sums are exact.

/// One call of a model.
public struct ModelCallRecord: Sendable, Equatable {
    /// The device that sent the turn: its key in hexadecimal digits.
    public let device: String
    public let model: String
    public let inputTokens: Int
    public let outputTokens: Int
    /// In billionths of a US dollar, 0 or more.
    public let cost: Int64

    public init(device: String, model: String, inputTokens: Int, outputTokens: Int, cost: Int64) {
        self.device = device
        self.model = model
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.cost = cost
    }
}

/// What several calls used together.
public struct UsageAmount: Sendable, Equatable {
    /// Calls of models in reports, turns where limits are meant.
    public var requests: Int64
    public var inputTokens: Int64
    public var outputTokens: Int64
    /// In billionths of a US dollar.
    public var cost: Int64

    public var tokens: Int64 { inputTokens + outputTokens }

    public init(requests: Int64 = 0, inputTokens: Int64 = 0, outputTokens: Int64 = 0, cost: Int64 = 0) {
        self.requests = requests
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.cost = cost
    }
}

/// By what a report is divided.
public enum UsageGroup: String, Sendable, CaseIterable {
    case model, session, user, device, day
}

/// One line of a report.
public struct UsageRow: Sendable, Equatable {
    /// What the line is about; days as their number since 1970-01-01 (UTC).
    public let key: String
    /// Whose session it is; empty for lines that are about no session.
    public let handle: String
    public let amount: UsageAmount
}

/// One model on one day.
public struct UsageDayRow: Sendable, Equatable {
    /// Days of UTC since 1970-01-01.
    public let day: Int
    public let model: String
    public let amount: UsageAmount
}

/// What may be used in a day; nil is without a limit.
public struct UsageCap: Sendable, Equatable {
    /// Turns.
    public var requests: Int64?
    /// Input and output together.
    public var tokens: Int64?
    /// In billionths of a US dollar.
    public var cost: Int64?

    public init(requests: Int64? = nil, tokens: Int64? = nil, cost: Int64? = nil) {
        self.requests = requests
        self.tokens = tokens
        self.cost = cost
    }

    public var isEmpty: Bool { requests == nil && tokens == nil && cost == nil }

    public enum Kind: String, Sendable, CaseIterable { case requests, tokens, cost }

    public func limit(_ kind: Kind) -> Int64? {
        switch kind {
        case .requests: requests
        case .tokens: tokens
        case .cost: cost
        }
    }
}

/// For whom a cap holds.
public enum UsageScope: String, Sendable, CaseIterable { case agent, user, device, model }

/// What may be used in a day: by all together, by each user, by each device and of each model.
public struct UsageCaps: Sendable, Equatable {
    public var agent = UsageCap()
    public var user = UsageCap()
    public var device = UsageCap()
    public var model = UsageCap()

    public init() {}

    public var isEmpty: Bool { UsageScope.allCases.allSatisfy { self[$0].isEmpty } }

    public subscript(scope: UsageScope) -> UsageCap {
        get {
            switch scope {
            case .agent: agent
            case .user: user
            case .device: device
            case .model: model
            }
        }
        set {
            switch scope {
            case .agent: agent = newValue
            case .user: user = newValue
            case .device: device = newValue
            case .model: model = newValue
            }
        }
    }
}

/// Who wants to use a model.
public struct UsageParty: Sendable, Equatable {
    public var handle: String
    /// The device key in hexadecimal digits.
    public var device: String
    public var model: String

    public init(handle: String, device: String, model: String) {
        self.handle = handle
        self.device = device
        self.model = model
    }

    public func key(_ scope: UsageScope) -> String? {
        switch scope {
        case .agent: nil
        case .user: handle
        case .device: device
        case .model: model
        }
    }
}

/// What a turn asks before it starts.
public struct UsageAdmission: Sendable {
    public var party: UsageParty
    /// What it will use, as far as that is known.
    public var estimatedTokens: Int64
    public var caps: UsageCaps
    /// The day on which it counts, in Unix seconds.
    public var day: Range<Double>

    public init(party: UsageParty, estimatedTokens: Int64, caps: UsageCaps, day: Range<Double>) {
        self.party = party
        self.estimatedTokens = estimatedTokens
        self.caps = caps
        self.day = day
    }
}

/// Why a turn may not start.
public struct UsageRefusal: Sendable, Equatable {
    public let kind: UsageCap.Kind
    public let scope: UsageScope
    /// The user, device or model that has used up what it may; nil for the agent.
    public let key: String?
    /// In billionths of a US dollar for money.
    public let limit: Int64
    public let used: Int64

    public init(kind: UsageCap.Kind, scope: UsageScope, key: String?, limit: Int64, used: Int64) {
        self.kind = kind
        self.scope = scope
        self.key = key
        self.limit = limit
        self.used = used
    }
}
