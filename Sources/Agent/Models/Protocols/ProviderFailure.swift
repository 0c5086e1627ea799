internal import Foundation

// What does it mean when a provider refuses? Its status, its words for the error and its headers become one of few cases that the turn
// loop can act on. A provider's own words are kept only where they help, bounded, and never with the key in them.

enum ProviderFailure {
    /// Bytes of a provider's words.
    static let longestReason = 500
    /// Nobody waits longer than this, in seconds.
    static let longestWait: Double = 86_400

    // MARK: Answers

    /// An answer that is no success.
    ///
    /// - Parameters:
    ///   - headers: names in lower case.
    ///   - now: Unix seconds.
    static func error(
        status: Int, headers: [String: String], body: [UInt8], secret: String?, now: Double
    ) -> ModelError {
        let answer = try? ProviderJSON(parsing: body)
        let said = Said(answer.map { $0["error"].exists || !$0[0].exists ? $0 : $0[0] }, raw: body)
        switch status {
        case 401, 403: return .unauthorized
        case 413: return .contextTooLong
        case 429, 529:
            if said.meansNoMoney { return .rejected(reason(said.message, status, secret)) }
            return .busy(retryAfter: retryAfter(headers, now: now) ?? said.retryDelay)
        case 408, 409, 425, 500...: return .unavailable("the provider failed (\(status))")
        case 300..<400: return .rejected("the provider is not at its address (\(status))")
        default:
            return said.meansTooLong ? .contextTooLong : .rejected(reason(said.message, status, secret))
        }
    }

    /// An error in the middle of an answer that began well. The words are not cleaned of the key yet: ``clean(_:secret:)``.
    static func inStream(_ event: ProviderJSON) -> ModelError {
        let said = Said(event, raw: [])
        if said.meansTooLong { return .contextTooLong }
        if said.meansNoMoney { return .rejected(reason(said.message, 429, nil)) }
        let status = said.status ?? statusOfType[said.type]
        switch status {
        case 401, 403: return .unauthorized
        case 429, 529: return .busy(retryAfter: said.retryDelay)
        case .some(400..<500): return .rejected(reason(said.message, 400, nil))
        default: return .unavailable("the provider failed in the middle of the answer")
        }
    }

    private static let statusOfType: [String: Int] = [
        "overloaded_error": 529, "rate_limit_error": 429, "rate_limit_exceeded": 429, "resource_exhausted": 429,
        "too_many_requests": 429, "authentication_error": 401, "permission_error": 403, "invalid_api_key": 401,
        "unauthenticated": 401, "permission_denied": 403, "invalid_request_error": 400, "invalid_argument": 400,
        "not_found_error": 404, "request_too_large": 413, "failed_generation": 400, "tool_use_failed": 400,
    ]

    // MARK: Time

    /// `retry-after-ms`, or `Retry-After` in seconds or as a date (RFC 9110 §10.2.3).
    static func retryAfter(_ headers: [String: String], now: Double) -> Double? {
        if let milliseconds = headers["retry-after-ms"].flatMap(Double.init), milliseconds.isFinite {
            return bounded(milliseconds / 1000)
        }
        guard let text = headers["retry-after"] else { return nil }
        if let seconds = Double(text) { return seconds.isFinite ? bounded(seconds) : nil }
        return date(text).map { bounded($0 - now) }
    }

    private static func bounded(_ seconds: Double) -> Double { min(max(seconds, 0), longestWait) }

    /// The form of a date that everybody sends: `Sun, 06 Nov 1994 08:49:37 GMT`.
    private static func date(_ text: String) -> Double? {
        let parts = text.split(separator: " ")
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard parts.count == 6, parts[5] == "GMT", let day = Int(parts[1]), let year = Int(parts[3]),
            let month = months.firstIndex(of: String(parts[2])), (1...31).contains(day), (1970...9999).contains(year)
        else { return nil }
        let time = parts[4].split(separator: ":").compactMap { Int($0) }
        guard time.count == 3, (0..<24).contains(time[0]), (0..<60).contains(time[1]), (0...60).contains(time[2]) else {
            return nil
        }
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = .gmt
        let date = calendar.date(
            from: DateComponents(
                year: year, month: month + 1, day: day, hour: time[0], minute: time[1], second: time[2]))
        return date?.timeIntervalSince1970
    }

    // MARK: Words

    private static func reason(_ message: String, _ status: Int, _ secret: String?) -> String {
        let text = clean(message, secret: secret)
        return text.isEmpty ? "the provider refused (\(status))" : text
    }

    /// A stranger's words as they can be shown: short, on one line, and no word of them holds a piece of the key.
    static func clean(_ text: String, secret: String?) -> String {
        let line = text.unicodeScalars.prefix(4 * longestReason).map { scalar in
            [.control, .format, .lineSeparator, .paragraphSeparator].contains(scalar.properties.generalCategory)
                ? " " : String(scalar)
        }.joined()
        var words = line.split(separator: " ").map(String.init)
        if let secret, !secret.isEmpty {
            let pieces = pieces(of: secret)
            words = words.map { word in pieces.contains { word.contains($0) } ? "[redacted]" : word }
        }
        var cleaned = words.joined(separator: " ")
        // A key with spaces in it.
        if let secret, !secret.isEmpty { cleaned = cleaned.replacingOccurrences(of: secret, with: "[redacted]") }
        return cleaned.cut(to: longestReason)
    }

    /// Whatever is left of a key that was cut somewhere is told by eight characters of it.
    private static func pieces(of secret: String) -> [String] {
        let characters = Array(secret)
        guard characters.count > 8 else { return [secret] }
        return (0...(characters.count - 8)).map { String(characters[$0..<($0 + 8)]) }
    }

    /// An error whose words are clean of a key.
    static func clean(_ error: ModelError, secret: String?) -> ModelError {
        switch error {
        case .rejected(let text): .rejected(clean(text, secret: secret))
        case .unavailable(let text): .unavailable(clean(text, secret: secret))
        case .malformed(let text): .malformed(clean(text, secret: secret))
        case .busy, .unauthorized, .contextTooLong: error
        }
    }
}

/// What a provider says about an error, as far as the many forms agree.
private struct Said {
    var message: String
    /// In lower case.
    var type = ""
    private var codes = ""
    var status: Int?
    /// Seconds (Google's RetryInfo).
    var retryDelay: Double?

    init(_ answer: ProviderJSON?, raw: [UInt8]) {
        guard let answer else {
            message = String(decoding: raw.prefix(2_000), as: UTF8.self)
            // A page for people says nothing here.
            if message.contains("<html") || message.contains("<!") { message = "" }
            return
        }
        let error = answer["error"]
        let fields = error.isObject ? error : answer
        message =
            fields["message"].string ?? error.string ?? fields["detail"].string ?? fields["detail"].json
            ?? fields["message"].json ?? ""
        type = (fields["type"].string ?? fields["status"].string ?? fields["code"].string ?? "").lowercased()
        codes = [fields["type"].string, fields["code"].string, fields["status"].string].compactMap { $0 }
            .joined(separator: " ").lowercased()
        status = [fields["code"], answer["status"], fields["http_status"]].lazy.compactMap {
            $0.count ?? $0.string.flatMap { Int($0) }
        }.first { (400...599).contains($0) }
        for detail in fields["details"].list {
            if let delay = detail["retryDelay"].string, delay.hasSuffix("s"), let seconds = Double(delay.dropLast()),
                seconds.isFinite
            {
                retryDelay = min(max(seconds, 0), ProviderFailure.longestWait)
            }
        }
    }

    /// The account is empty: waiting helps nobody.
    var meansNoMoney: Bool {
        let words = (codes + " " + message).lowercased()
        return [
            "insufficient_quota", "insufficient_balance", "insufficient balance", "exceeded_current_quota",
            "billing_hard_limit", "exceeded your current quota, please check your plan and billing",
        ].contains { words.contains($0) } && retryDelay == nil
    }

    /// In the words of each provider.
    var meansTooLong: Bool {
        let words = (codes + " " + message).lowercased()
        return [
            "context_length_exceeded", "maximum context length", "prompt is too long", "exceed context limit",
            "exceeds the maximum number of tokens", "maximum prompt length", "reduce the length of the messages",
            "exceed_context_size", "exceeds the available context size", "exceeds the context length",
            "greater than the context length", "exceeded model token limit", "range of input length should be",
            "prompt too long", "request_too_large", "context window", "input is too long", "too many input tokens",
        ].contains { words.contains($0) }
    }
}
