// What is said over REST about webhooks. A secret is told when it is made, and never again. Times are Unix seconds.

/// A way into a workflow from outside.
public struct WebhookBody: Codable, Sendable, Equatable {
    public var slug: String
    public var workflowID: String
    /// `hmac`, `github`, `stripe`, `slack`, `gitlab` or `bearer`.
    public var kind: String
    /// What is behind the listener's address.
    public var path: String
    /// The last four characters of the secret.
    public var secretHint: String
    /// Only in the answer that made it.
    public var secret: String?
    public var createdBy: String
    public var createdAt: Double
    public var updatedAt: Double
    public var lastUsedAt: Double?

    public init(
        slug: String, workflowID: String, kind: String, path: String, secretHint: String, secret: String?,
        createdBy: String, createdAt: Double, updatedAt: Double, lastUsedAt: Double?
    ) {
        self.slug = slug
        self.workflowID = workflowID
        self.kind = kind
        self.path = path
        self.secretHint = secretHint
        self.secret = secret
        self.createdBy = createdBy
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.lastUsedAt = lastUsedAt
    }

    private enum CodingKeys: String, CodingKey {
        case slug, kind, path, secret
        case workflowID = "workflow_id"
        case secretHint = "secret_hint"
        case createdBy = "created_by"
        case createdAt = "created_at"
        case updatedAt = "updated_at"
        case lastUsedAt = "last_used_at"
    }
}

/// `GET /api/webhooks`
public struct WebhooksBody: Codable, Sendable, Equatable {
    public var webhooks: [WebhookBody]
    public var nextCursor: String?

    public init(webhooks: [WebhookBody], nextCursor: String?) {
        self.webhooks = webhooks
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case webhooks
        case nextCursor = "next_cursor"
    }
}

/// The body of `POST /api/workflows/{id}/webhook`.
public struct NewWebhook: Codable, Sendable, Equatable {
    /// Nil: the workflow's name and some chance.
    public var slug: String?
    /// Nil: `hmac`.
    public var kind: String?
    /// A secret that the provider gave; nil: a new one is made.
    public var secret: String?

    public init(slug: String? = nil, kind: String? = nil, secret: String? = nil) {
        self.slug = slug
        self.kind = kind
        self.secret = secret
    }
}

/// The answer to the removal of a webhook.
public struct WebhookDeleted: Codable, Sendable, Equatable {
    public var ok: Bool
    public var slug: String

    public init(slug: String) {
        ok = true
        self.slug = slug
    }
}
