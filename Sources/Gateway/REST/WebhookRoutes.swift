internal import Agent
internal import Hummingbird
internal import Store
internal import Wire

// Which workflows may be started from outside? For admins: a webhook's secret is told when it is made or made anew, and never again.

enum WebhookRoutes {
    private static let path = "/api/webhooks"

    /// - Parameters:
    ///   - hooks: nil when the agent keeps none.
    ///   - workflows: nil when the agent has none.
    static func routes(
        _ hooks: WebhookRepository?, _ workflows: Workflows?, _ random: Randomness,
        now: @escaping @Sendable () -> Double
    ) -> [Route] {
        let silent = Announcement.nothing(because: "the workflow stays what it is")
        return [
            .admin(.get, path, .webhooks) { request, _, _ in
                let asked = try request.page(by: String.self)
                let rows = try await present(hooks).webhooks(after: asked.after, limit: asked.limit + 1)
                let (page, next) = try asked.page(of: rows, key: \.slug)
                return try JSON.response(WebhooksBody(webhooks: page.map { WebhookBody($0) }, nextCursor: next))
            },
            .admin(.post, "/api/workflows/{id}/webhook", .createWebhook, announces: silent) {
                request, context, caller in
                let wanted = try await PlanRequests.optional(request, context, as: NewWebhook.self, none: .init())
                let word = try context.pathPart("id")
                let workflow = try await WorkflowRoutes.answering {
                    try await WorkflowRoutes.present(workflows).workflow(word)
                }
                let hook = try record(wanted, for: workflow, by: caller.handle, random, now: now())
                do {
                    guard try await present(hooks).insert(hook) else { throw ErrorResponse.noWebhook }
                } catch let error as PlanStorageError {
                    throw ErrorResponse(error)
                }
                return try JSON.response(WebhookBody(hook, isNew: true), status: .created)
            },
            .admin(.post, path + "/{slug}/rotate", .rotateWebhook, announces: silent) { _, context, _ in
                let slug = try context.pathPart("slug")
                let hook = try await present(hooks).rotate(slug, to: WebhookRules.secret(), now: now())
                guard let hook else { throw ErrorResponse.noWebhook }
                return try JSON.response(WebhookBody(hook, isNew: true))
            },
            .admin(.delete, path + "/{slug}", .deleteWebhook, announces: silent) { _, context, _ in
                let slug = try context.pathPart("slug")
                guard try await present(hooks).delete(slug) else { throw ErrorResponse.noWebhook }
                return try JSON.response(WebhookDeleted(slug: slug))
            },
        ]
    }

    private static func record(
        _ wanted: NewWebhook, for workflow: WorkflowRecord, by owner: String, _ random: Randomness, now: Double
    ) throws -> WebhookRecord {
        let slug = wanted.slug ?? WebhookRules.slug(for: workflow.name, random)
        guard WebhookRules.isSlug(slug) else {
            throw ErrorResponse.invalid("'slug' has 1 to 64 lower-case letters, digits and dashes.")
        }
        guard let kind = WebhookKind(rawValue: wanted.kind ?? WebhookKind.hmac.rawValue) else {
            let known = WebhookKind.allCases.map(\.rawValue).joined(separator: ", ")
            throw ErrorResponse.invalid("'kind' is one of: \(known).")
        }
        if let secret = wanted.secret, !WebhookRules.isSecret(secret) {
            throw ErrorResponse.invalid("'secret' has 16 to 256 visible ASCII characters.")
        }
        return WebhookRecord(
            slug: slug, workflowID: workflow.id, kind: kind.rawValue,
            secret: wanted.secret.map { Secret($0) } ?? WebhookRules.secret(), createdBy: owner, createdAt: now,
            updatedAt: now)
    }

    private static func present(_ hooks: WebhookRepository?) throws(ErrorResponse) -> WebhookRepository {
        guard let hooks else {
            throw ErrorResponse(status: .serviceUnavailable, code: .unavailable, message: "This agent has no webhooks.")
        }
        return hooks
    }
}

extension ErrorResponse {
    fileprivate static let noWebhook = ErrorResponse(
        status: .notFound, code: .notFound, message: "There is no such webhook.",
        hint: "GET /api/webhooks lists what there is.")

    fileprivate init(_ error: PlanStorageError) {
        switch error {
        case .nameTaken(let slug):
            self.init(
                status: .conflict, code: .conflict, message: "The slug '\(slug)' is taken.", hint: "Choose another one."
            )
        case .tooMany(let limit):
            self.init(
                status: .conflict, code: .conflict, message: "There are \(limit) webhooks already.",
                hint: "Remove one that is not needed any more.")
        case .running: self.init(status: .conflict, code: .conflict, message: "It runs already.")
        }
    }
}

extension WebhookBody {
    /// - Parameter isNew: its secret is told, this once.
    fileprivate init(_ hook: WebhookRecord, isNew: Bool = false) {
        self.init(
            slug: hook.slug, workflowID: hook.workflowID, kind: hook.kind, path: "/hooks/\(hook.slug)",
            secretHint: String(hook.secret.revealed.suffix(4)), secret: isNew ? hook.secret.revealed : nil,
            createdBy: hook.createdBy, createdAt: hook.createdAt, updatedAt: hook.updatedAt,
            lastUsedAt: hook.lastUsedAt)
    }
}
