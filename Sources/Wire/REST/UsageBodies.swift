// What is said over REST about tokens and money? The same types are encoded by the gateway and decoded by the command line. Money
// is in US dollars; times are Unix seconds; days and months are those of UTC, except where a limit's own time zone counts.

/// Why a turn was refused, for programs: in the `details` of an error `budget_exceeded`.
public struct BudgetDetails: Codable, Sendable, Equatable {
    /// `requests`, `tokens` or `cost`.
    public var cap: String
    /// `agent`, `user`, `device` or `model`.
    public var scope: String
    /// The user, device or model; nil for the agent.
    public var key: String?
    /// In US dollars for `cost`.
    public var limit: Double
    public var used: Double
    /// When the next day begins.
    public var resetsAt: Double

    public init(cap: String, scope: String, key: String?, limit: Double, used: Double, resetsAt: Double) {
        self.cap = cap
        self.scope = scope
        self.key = key
        self.limit = limit
        self.used = used
        self.resetsAt = resetsAt
    }

    private enum CodingKeys: String, CodingKey {
        case cap, scope, key, limit, used
        case resetsAt = "resets_at"
    }
}

/// `GET /api/usage`
public struct UsageBody: Codable, Sendable, Equatable {
    /// `YYYY-MM`
    public var month: String
    public var monthlySpend: Double
    /// 0: there is none.
    public var monthlyBudget: Double
    /// Nil when there is no budget.
    public var remaining: Double?
    public var byModel: [String: Double]
    public var requests: Int64
    public var inputTokens: Int64
    public var outputTokens: Int64
    /// Today's limits that hold for the caller, and what is used of them.
    public var caps: [BudgetDetails]
    /// In which days of the limits begin.
    public var timezone: String

    public init(
        month: String, monthlySpend: Double, monthlyBudget: Double, remaining: Double?, byModel: [String: Double],
        requests: Int64, inputTokens: Int64, outputTokens: Int64, caps: [BudgetDetails], timezone: String
    ) {
        self.month = month
        self.monthlySpend = monthlySpend
        self.monthlyBudget = monthlyBudget
        self.remaining = remaining
        self.byModel = byModel
        self.requests = requests
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.caps = caps
        self.timezone = timezone
    }

    private enum CodingKeys: String, CodingKey {
        case month, remaining, requests, caps, timezone
        case monthlySpend = "monthly_spend"
        case monthlyBudget = "monthly_budget"
        case byModel = "by_model"
        case inputTokens = "input_tokens"
        case outputTokens = "output_tokens"
    }
}

/// `GET /api/usage/daily`
public struct DailyUsageBody: Codable, Sendable, Equatable {
    public struct Entry: Codable, Sendable, Equatable {
        /// `YYYY-MM-DD`
        public var date: String
        public var model: String
        public var cost: Double
        public var inputTokens: Int64
        public var outputTokens: Int64
        /// Calls of the model.
        public var requestCount: Int64

        public init(
            date: String, model: String, cost: Double, inputTokens: Int64, outputTokens: Int64, requestCount: Int64
        ) {
            self.date = date
            self.model = model
            self.cost = cost
            self.inputTokens = inputTokens
            self.outputTokens = outputTokens
            self.requestCount = requestCount
        }

        private enum CodingKeys: String, CodingKey {
            case date, model, cost
            case inputTokens = "input_tokens"
            case outputTokens = "output_tokens"
            case requestCount = "request_count"
        }
    }

    /// Newest first, then the most expensive.
    public var entries: [Entry]

    public init(entries: [Entry]) { self.entries = entries }
}

/// `GET /api/usage/by`
public struct GroupedUsageBody: Codable, Sendable, Equatable {
    public struct Row: Codable, Sendable, Equatable {
        /// The model, session, user, device or day.
        public var key: String
        /// Whose session it is; nil when the rows are about no sessions.
        public var user: String?
        public var cost: Double
        public var inputTokens: Int64
        public var outputTokens: Int64
        /// Calls of models.
        public var requestCount: Int64

        public init(
            key: String, user: String?, cost: Double, inputTokens: Int64, outputTokens: Int64, requestCount: Int64
        ) {
            self.key = key
            self.user = user
            self.cost = cost
            self.inputTokens = inputTokens
            self.outputTokens = outputTokens
            self.requestCount = requestCount
        }

        private enum CodingKeys: String, CodingKey {
            case key, user, cost
            case inputTokens = "input_tokens"
            case outputTokens = "output_tokens"
            case requestCount = "request_count"
        }
    }

    public var group: String
    /// `YYYY-MM-DD`, the first day.
    public var from: String
    /// The last day.
    public var to: String
    /// The most expensive first; of days the last first.
    public var rows: [Row]
    /// Nil at the end.
    public var nextCursor: String?

    public init(group: String, from: String, to: String, rows: [Row], nextCursor: String?) {
        self.group = group
        self.from = from
        self.to = to
        self.rows = rows
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case group, from, to, rows
        case nextCursor = "next_cursor"
    }
}

/// `GET /api/usage/pricing`
public struct PricingBody: Codable, Sendable, Equatable {
    /// In US dollars.
    public struct Price: Codable, Sendable, Equatable {
        public var inputCostPerMillion: Double
        public var outputCostPerMillion: Double

        public init(inputCostPerMillion: Double, outputCostPerMillion: Double) {
            self.inputCostPerMillion = inputCostPerMillion
            self.outputCostPerMillion = outputCostPerMillion
        }

        private enum CodingKeys: String, CodingKey {
            case inputCostPerMillion = "input_cost_per_million"
            case outputCostPerMillion = "output_cost_per_million"
        }
    }

    /// By model.
    public var pricing: [String: Price]

    public init(pricing: [String: Price]) { self.pricing = pricing }
}
