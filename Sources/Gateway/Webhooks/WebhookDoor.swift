internal import Agent
internal import Foundation
internal import JSON
internal import Logging
internal import Store
internal import Synchronization

// What becomes of a request at `/hooks/{slug}`? Counted, proven, recognised, and then the workflow's run begins: the sender is
// answered once the run is on disk. Whoever does not know the secret learns nothing, not even whether there is such a webhook. How
// the request came is not known here.

/// Starts a workflow's run; returns once the run is on disk. The same id is the same run.
typealias WebhookStart =
    @Sendable (_ workflow: String, _ run: String, _ payload: JSONValue) async throws -> Void

/// Lets deliveries in.
final class WebhookDoor: Sendable {
    struct Answer: Sendable, Equatable {
        var status: Int
        /// JSON.
        var body: String
        /// Seconds.
        var retryAfter: Int?
    }

    private let repository: WebhookRepository
    private let limiter = Mutex(WebhookLimiter())
    private let now: @Sendable () -> Double
    private let random: Randomness
    private let logger: Logger
    private let start: WebhookStart
    /// Stands for the secret of a webhook that is not there, so that looking for one takes as long.
    private let nobodysSecret: String

    init(
        _ repository: WebhookRepository, now: @escaping @Sendable () -> Double, random: Randomness, logger: Logger,
        start: @escaping WebhookStart
    ) {
        self.repository = repository
        self.now = now
        self.random = random
        self.logger = logger
        self.start = start
        nobodysSecret = random.hex(32)
    }

    static let refused = Answer(status: 401, body: #"{"error":"unauthorized"}"#)
    static let busy = Answer(status: 503, body: #"{"error":"unavailable"}"#, retryAfter: 30)

    /// To be asked before a request's body is read.
    ///
    /// - Returns: how it is answered when it came too soon.
    func refuses(_ source: String, _ slug: String) -> Answer? {
        let time = now()
        guard let wait = limiter.withLock({ $0.refuses(source, slug, now: time) }) else { return nil }
        return Answer(status: 429, body: #"{"error":"too_many_requests"}"#, retryAfter: wait)
    }

    /// A request that is whole.
    func receive(_ slug: String, _ request: WebhookRequest) async -> Answer {
        let time = now()
        let hook: WebhookRecord?
        do { hook = try await repository.webhook(slug) } catch {
            logger.error("webhooks::not_read", metadata: ["error": "\(error)"])
            return Self.busy
        }
        let kind = hook.flatMap { WebhookKind(rawValue: $0.kind) } ?? .hmac
        let proof = kind.proof(of: request, secret: hook?.secret.revealed ?? nobodysSecret, now: time)
        guard let hook, let proof else {
            logger.notice("webhooks::refused", metadata: ["known": "\(hook != nil)"])
            return Self.refused
        }
        let payload = Self.payload(of: request.body)
        if kind == .slack, payload["type"]?.string == "url_verification", let word = payload["challenge"]?.string {
            return Self.answer(200, ["challenge": .string(String(word.prefix(1_024)))])
        }
        do {
            let reception = try await repository.receive(
                slug, delivery: proof.delivery, nonce: proof.nonce, run: random.uuid(), now: time)
            switch reception {
            case .gone, .replayed: return Self.refused
            case .repeated(let run): return Self.answer(200, ["run_id": .string(run), "duplicate": .bool(true)])
            case .new(let run), .unfinished(let run): return await begin(run, of: hook, payload, proof)
            }
        } catch {
            logger.error("webhooks::not_received", metadata: ["slug": "\(slug)", "error": "\(error)"])
            return Self.busy
        }
    }

    private func begin(_ run: String, of hook: WebhookRecord, _ payload: JSONValue, _ proof: WebhookProof) async
        -> Answer
    {
        do { try await start(hook.workflowID, run, payload) } catch {
            logger.warning(
                "webhooks::not_started",
                metadata: ["slug": "\(hook.slug)", "workflow": "\(hook.workflowID)", "reason": "\(error)"])
            // Who sends it again is heard again. The run may be on disk all the same, so its id stays.
            if let nonce = proof.nonce { try? await repository.forget(hook.slug, nonce: nonce) }
            return Self.busy
        }
        do { try await repository.hasBegun(hook.slug, run: run) } catch {
            // The run is on disk. When the delivery comes again it is asked for again, under the same id.
            logger.error("webhooks::not_received", metadata: ["slug": "\(hook.slug)", "error": "\(error)"])
        }
        return Self.answer(202, ["run_id": .string(run), "status": "accepted"])
    }

    /// What the workflow is given: a JSON object as it is, anything else in one.
    private static func payload(of body: [UInt8]) -> JSONValue {
        guard let value = try? JSONDecoder().decode(JSONValue.self, from: Data(body)) else {
            return ["_raw": .string(String(decoding: body, as: UTF8.self))]
        }
        if case .object = value { return value }
        return ["_body": value]
    }

    private static func answer(_ status: Int, _ fields: [String: JSONValue]) -> Answer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let data = (try? encoder.encode(JSONValue.object(fields))) ?? Data("{}".utf8)
        return Answer(status: status, body: String(decoding: data, as: UTF8.self))
    }
}
