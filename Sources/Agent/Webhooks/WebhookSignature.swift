internal import CSodium
internal import Foundation
internal import JSON

// Did whoever knows the secret send this? The ways in which providers sign what they send, and one of our own. Pure: headers, body
// and the time come in, a verdict comes out. Every comparison takes the same time whatever is compared.

/// How a webhook's requests prove that they know its secret.
public enum WebhookKind: String, Sendable, CaseIterable {
    /// Ours: `X-OpenAgent-Timestamp`, `X-OpenAgent-Delivery` and `X-OpenAgent-Signature: v1=<hex>`, the HMAC-SHA256 of
    /// `v1:<timestamp>:<delivery>:<body>`.
    case hmac
    /// `X-Hub-Signature-256: sha256=<hex>` of the body.
    case github
    /// `Stripe-Signature: t=<Unix seconds>,v1=<hex>` of `<t>.<body>`.
    case stripe
    /// `X-Slack-Signature: v0=<hex>` of `v0:<X-Slack-Request-Timestamp>:<body>`.
    case slack
    /// `X-Gitlab-Token`: the secret itself.
    case gitlab
    /// `Authorization: Bearer <secret>`.
    case bearer

    /// Seconds that a signed time may lie before or behind now.
    public static let window: Double = 300
}

/// What arrived.
public struct WebhookRequest: Sendable {
    /// The value of a header field, by its name in lower case; nil when it is absent or comes more than once.
    public var header: @Sendable (String) -> String?
    public var body: [UInt8]

    public init(body: [UInt8], header: @escaping @Sendable (String) -> String?) {
        self.body = body
        self.header = header
    }
}

/// A request that knows the secret.
public struct WebhookProof: Sendable, Equatable {
    /// What was sent before under the same name was the same delivery; nil: it has no name.
    public var delivery: String?
    /// What may be seen once; nil: the sender may send the very same request again, and it is the same delivery.
    public var nonce: String?
}

extension WebhookKind {
    private static let longestName = 200

    /// - Parameters:
    ///   - secret: what both sides know.
    ///   - now: Unix seconds.
    /// - Returns: nil when the request is not proven. Why is nobody's business.
    public func proof(of request: WebhookRequest, secret: String, now: Double) -> WebhookProof? {
        let key = Array(secret.utf8)
        switch self {
        case .hmac:
            guard let stamp = time(request.header("x-openagent-timestamp"), now: now),
                let name = Self.name(request.header("x-openagent-delivery")),
                let signature = Self.digest(request.header("x-openagent-signature"), after: "v1=")
            else { return nil }
            let own = Self.hmac(key, Array("v1:\(stamp):\(name):".utf8), request.body)
            return Self.isEqual(own, signature) ? WebhookProof(delivery: name, nonce: Self.hex(own)) : nil
        case .github:
            guard let signature = Self.digest(request.header("x-hub-signature-256"), after: "sha256=") else {
                return nil
            }
            let own = Self.hmac(key, request.body)
            // The delivery's own header is not signed: whoever saw one request could send it again under other names.
            return Self.isEqual(own, signature) ? WebhookProof(delivery: Self.hex(own), nonce: nil) : nil
        case .stripe: return stripe(request, key, now)
        case .slack:
            guard let stamp = time(request.header("x-slack-request-timestamp"), now: now),
                let signature = Self.digest(request.header("x-slack-signature"), after: "v0=")
            else { return nil }
            let own = Self.hmac(key, Array("v0:\(stamp):".utf8), request.body)
            guard Self.isEqual(own, signature) else { return nil }
            // Not by the number of the attempt, which is the same for different events.
            return WebhookProof(delivery: Self.member("event_id", of: request.body), nonce: Self.hex(own))
        case .gitlab: return plain(request, request.header("x-gitlab-token"), key, "x-gitlab-event-uuid")
        case .bearer:
            let field = request.header("authorization") ?? ""
            let isBearer = field.utf8.prefix(7).elementsEqual("Bearer ".utf8)
            return plain(request, isBearer ? String(field.dropFirst(7)) : nil, key, "x-delivery-id")
        }
    }

    private func stripe(_ request: WebhookRequest, _ key: [UInt8], _ now: Double) -> WebhookProof? {
        var stamp: String?
        var signatures: [[UInt8]] = []
        for part in (request.header("stripe-signature") ?? "").split(separator: ",").prefix(16) {
            let part = part.drop { $0 == " " }
            if part.utf8.starts(with: "t=".utf8) {
                guard stamp == nil else { return nil }
                stamp = String(part.dropFirst(2))
            } else if let signature = Self.digest(String(part), after: "v1=") {
                signatures.append(signature)
            }
        }
        guard let stamp = time(stamp, now: now) else { return nil }
        let own = Self.hmac(key, Array("\(stamp).".utf8), request.body)
        var isProven = false
        for signature in signatures where Self.isEqual(own, signature) { isProven = true }
        return isProven ? WebhookProof(delivery: Self.member("id", of: request.body), nonce: Self.hex(own)) : nil
    }

    /// The secret itself was sent: whoever saw it needs no replay.
    private func plain(_ request: WebhookRequest, _ token: String?, _ key: [UInt8], _ name: String) -> WebhookProof? {
        // Compared by their hashes, so that the length of the secret is not told either.
        guard let token, Self.isEqual(Self.hmac([0], Array(token.utf8)), Self.hmac([0], key)) else { return nil }
        return WebhookProof(delivery: Self.name(request.header(name)), nonce: nil)
    }

    /// A time near enough to now, as it was written.
    private func time(_ text: String?, now: Double) -> String? {
        guard let text, (1...12).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let seconds = Double(text), abs(seconds - now) <= Self.window
        else { return nil }
        return text
    }

    // MARK: Parts

    /// A name that a sender gave: visible ASCII.
    private static func name(_ text: String?) -> String? {
        guard let text, (1...longestName).contains(text.utf8.count),
            text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { return nil }
        return text
    }

    /// A text at the top of a JSON object.
    private static func member(_ name: String, of body: [UInt8]) -> String? {
        guard case .object(let members)? = try? JSONDecoder().decode(JSONValue.self, from: Data(body)),
            case .string(let text)? = members[name]
        else { return nil }
        return Self.name(text)
    }

    private static func digest(_ text: String?, after prefix: String) -> [UInt8]? {
        guard let text, text.utf8.starts(with: prefix.utf8) else { return nil }
        let digits = Array(text.utf8.dropFirst(prefix.utf8.count))
        guard digits.count == 64 else { return nil }
        var bytes: [UInt8] = []
        for place in stride(from: 0, to: 64, by: 2) {
            guard let high = hexValue(digits[place]), let low = hexValue(digits[place + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func hexValue(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x61...0x66: digit - 0x61 + 10
        case 0x41...0x46: digit - 0x41 + 10
        default: nil
        }
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// HMAC-SHA256 (RFC 2104) of parts, one after the other.
    package static func hmac(_ key: [UInt8], _ parts: [UInt8]...) -> [UInt8] {
        var state = crypto_auth_hmacsha256_state()
        crypto_auth_hmacsha256_init(&state, key, key.count)
        for part in parts { crypto_auth_hmacsha256_update(&state, part, UInt64(part.count)) }
        var digest = [UInt8](repeating: 0, count: Int(crypto_auth_hmacsha256_BYTES))
        crypto_auth_hmacsha256_final(&state, &digest)
        return digest
    }

    private static func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && sodium_memcmp(left, right, left.count) == 0
    }
}
