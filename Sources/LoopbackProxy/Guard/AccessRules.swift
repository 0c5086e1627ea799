internal import NIOCore

// May this request pass? The local rules: DNS rebinding (Host), web pages of other sites (Origin), and the optional
// token. Everything about the agent's own rules is the agent's business (design.md §2.12).

/// The rules of one proxy.
struct AccessRules: Sendable {
    /// Where the proxy listens, which decides what its own origin is.
    enum Listener: Sendable, Equatable {
        case tcp(port: Int)
        case unix
    }

    /// What to do with a request that may pass.
    enum Verdict {
        /// As it is.
        case pass
        /// With some parts cut out or replaced.
        case rewrite([Edit], answerProtocol: String?)
    }

    /// A part of the head to replace.
    struct Edit: Equatable {
        var range: Range<Int>
        var replacement: [UInt8]
    }

    let listener: Listener
    let token: ProxyToken?

    /// - Parameters:
    ///   - bytes: what `head` was read from.
    ///   - keepsUpgrade: false cuts `Upgrade` out.
    /// - Throws: the ``Refusal`` to answer with.
    func check(
        _ head: RequestHead, _ bytes: UnsafeRawBufferPointer, keepsUpgrade: Bool
    ) throws(Refusal) -> Verdict {
        try checkHost(head, bytes)
        try checkOrigin(head, bytes)
        var edits: [Edit] = []
        if !keepsUpgrade {
            edits = head.fields.filter { $0.name == .upgrade }.map { Edit(range: $0.line, replacement: []) }
        }
        var answerProtocol: String?
        if let token {
            var search = TokenSearch(token: token)
            search.run(head, bytes)
            guard search.isFound else { throw .tokenRequired }
            edits += search.edits
            answerProtocol = search.answerProtocol
        }
        guard !edits.isEmpty else { return .pass }
        return .rewrite(edits.sorted { $0.range.lowerBound < $1.range.lowerBound }, answerProtocol: answerProtocol)
    }

    private func checkHost(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer) throws(Refusal) {
        guard let host = try head.single(.host) else { throw .badRequest("no Host field") }
        guard Self.loopbackPort(bytes[host.value]) != nil else { throw .foreignHost }
    }

    private func checkOrigin(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer) throws(Refusal) {
        // A foreign page's plain GET carries no Origin, but browsers say where it comes from.
        if let site = try head.single(.fetchSite) {
            let value = bytes[site.value]
            guard value.equals("same-origin") || value.equals("none") else { throw .foreignOrigin }
        }
        guard let origin = try head.single(.origin) else { return }
        let value = bytes[origin.value]
        guard case .tcp(let port) = listener, value.starts(with: "http://".utf8) else { throw .foreignOrigin }
        guard case .some(let named) = Self.loopbackPort(value.dropFirst("http://".utf8.count)) else {
            throw .foreignOrigin
        }
        // No port in an origin means port 80.
        guard named ?? 80 == port else { throw .foreignOrigin }
    }

    /// For `127.0.0.1`, `localhost` or `[::1]`: the port behind it, `.some(nil)` without one. Nil for any other host.
    private static func loopbackPort(_ authority: UnsafeRawBufferPointer.SubSequence) -> Int?? {
        let separator = authority.lastIndex(of: UInt8(ascii: ":"))
        // The last colon of a bare `[::1]` belongs to the address.
        let colon = authority.last == UInt8(ascii: "]") ? nil : separator
        let host = authority[..<(colon ?? authority.endIndex)]
        guard host.equals("127.0.0.1") || host.equalsIgnoringCase("localhost") || host.equals("[::1]") else {
            return nil
        }
        guard let colon else { return .some(nil) }
        let digits = authority[(colon + 1)...]
        guard (1...5).contains(digits.count), digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        return .some(digits.reduce(0) { $0 * 10 + Int($1 - 0x30) })
    }
}

/// Looks for the token in every place where it may be, and cuts it out of each: the agent never sees it.
private struct TokenSearch {
    let token: ProxyToken
    private(set) var isFound = false
    private(set) var edits: [AccessRules.Edit] = []
    /// The WebSocket subprotocol that carried the token; a browser insists on an answer to it.
    private(set) var answerProtocol: String?

    init(token: ProxyToken) {
        self.token = token
    }

    mutating func run(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer) {
        searchQuery(of: head.target, bytes)
        for field in head.fields {
            switch field.name {
            case .authorization:
                let scheme = bytes[field.value].prefix(7)
                guard scheme.equalsIgnoringCase("bearer ") else { break }
                if token.matches(bytes[field.value].dropFirst(7).trimmingBlanks()) { cut(field.line) }
            case .token:
                if token.matches(bytes[field.value]) { cut(field.line) }
            case .webSocketProtocol: searchProtocols(field, bytes)
            case .host, .origin, .fetchSite, .upgrade: break
            }
        }
    }

    private mutating func cut(_ range: Range<Int>, replacement: [UInt8] = []) {
        isFound = true
        edits.append(AccessRules.Edit(range: range, replacement: replacement))
    }

    /// `/path?a=1&token=T&b=2`
    private mutating func searchQuery(of target: Range<Int>, _ bytes: UnsafeRawBufferPointer) {
        guard let mark = bytes[target].firstIndex(of: UInt8(ascii: "?")) else { return }
        let items = bytes[mark + 1..<target.upperBound]
            .split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false)
        let kept = items.filter { item in
            !(item.starts(with: "token=".utf8) && token.matches(item.dropFirst("token=".utf8.count)))
        }
        guard kept.count < items.count else { return }
        let query = kept.joined(separator: [UInt8(ascii: "&")])
        cut(mark..<target.upperBound, replacement: kept.isEmpty ? [] : [UInt8(ascii: "?")] + query)
    }

    /// `chat, token.T`
    private mutating func searchProtocols(_ field: RequestHead.Field, _ bytes: UnsafeRawBufferPointer) {
        let items = bytes[field.value].split(separator: UInt8(ascii: ",")).map { $0.trimmingBlanks() }
        let kept = items.filter { item in
            guard item.starts(with: "token.".utf8), token.matches(item.dropFirst("token.".utf8.count)) else {
                return true
            }
            answerProtocol = String(decoding: item, as: UTF8.self)
            return false
        }
        guard kept.count < items.count else { return }
        if kept.isEmpty {
            cut(field.line)
        } else {
            cut(field.value, replacement: Array(kept.joined(separator: Array(", ".utf8))))
        }
    }
}
