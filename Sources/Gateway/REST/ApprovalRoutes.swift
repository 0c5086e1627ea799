internal import Agent
internal import HTTPTypes
internal import Hummingbird
internal import Store
internal import Wire

// Which calls of tools wait for my word, and how do I give it? Everybody sees and answers what their own turns ask; admins may see and
// answer what others were asked: they could as well change the policy. What is not theirs does not exist for others.

enum ApprovalRoutes {
    /// - Parameter approvals: nil when nothing waits for anybody here.
    static func routes(_ approvals: Approvals?) -> [Route] {
        [
            .member(.get, "/api/approvals", .approvals) { request, _, caller in
                let repository = try present(approvals).repository
                let isAll = try request.queryFlag("all")
                guard !isAll || caller.role == .admin else { throw Refusal.forbidden }
                let state = try request.queryWord("state").map(state)
                let asked = try request.newestFirst()
                let rows = try await repository.questions(
                    of: isAll ? nil : caller.handle, state: state, before: asked.after, limit: asked.limit + 1)
                let (page, next) = try asked.page(of: rows, key: \.number)
                return try JSON.response(ApprovalsBody(approvals: page.map(ApprovalBody.init), nextCursor: next))
            },
            .member(
                .post, "/api/approvals/{id}", .answerApproval,
                announces: .nothing(because: "the session whose turn waits is told")
            ) { request, context, caller in
                let answer = try await request.decode(as: ApprovalAnswer.self, context: context)
                guard let decision = ClientMessage.ApprovalReply(rawValue: answer.decision) else {
                    throw ErrorResponse.invalid("'decision' is approve or deny.")
                }
                let id = try context.pathPart("id")
                let question = try await decide(id, decision, by: caller, approvals)
                return try JSON.response(OneApproval(approval: ApprovalBody(question)))
            },
        ]
    }

    /// Gives a user's word.
    ///
    /// - Throws: ``ErrorResponse`` when it doesn't count.
    @discardableResult
    static func decide(
        _ id: String, _ reply: ClientMessage.ApprovalReply, by caller: Caller, _ approvals: Approvals?
    ) async throws -> ApprovalRecord {
        let answerer = Approvals.Answerer(
            caller.actor, handle: caller.handle, isAdmin: caller.role == .admin)
        do {
            return try await present(approvals).decide(id, reply == .approve ? .approve : .deny, by: answerer)
        } catch let error as ApprovalError {
            switch error {
            case .unknown:
                throw ErrorResponse(
                    .notFound, error.description, hint: "What waits says GET /api/approvals?state=pending")
            case .settled: throw ErrorResponse(.conflict, error.description)
            }
        }
    }

    private static func present(_ approvals: Approvals?) throws(ErrorResponse) -> Approvals {
        guard let approvals else {
            throw ErrorResponse(
                status: .serviceUnavailable, code: .unavailable, message: "This agent asks nobody about tools.")
        }
        return approvals
    }

    private static func state(_ word: String) throws(ErrorResponse) -> ApprovalState {
        guard let state = ApprovalState(rawValue: word) else {
            let words = ApprovalState.allCases.map(\.rawValue).joined(separator: ", ")
            throw .invalid("'state' is one of \(words).", hint: "Leave it out for all of them.")
        }
        return state
    }
}

extension ApprovalBody {
    fileprivate init(_ question: ApprovalRecord) {
        self.init(
            id: question.id, state: question.state.rawValue, tool: question.tool, arguments: question.arguments,
            handle: question.handle, sessionID: question.sessionID, turnID: question.turn,
            createdAt: question.createdAt, expiresAt: question.expiresAt, decidedBy: question.decidedBy,
            decidedAt: question.decidedAt)
    }
}
