internal import Foundation

// Which machine and which page does a text name? Read strictly: two programs that read one address differently are how somebody gets
// past a check. What was understood is written anew, in a form that can only be read in one way, and that form is what is asked for.

/// An address of the web.
public struct WebAddress: Sendable, Equatable, CustomStringConvertible {
    public let isSecure: Bool
    /// A name in ASCII and lower case, or an ``IPAddress`` without brackets.
    public let host: String
    public let port: Int
    /// Path and query, beginning with a slash.
    public let target: String

    static let longest = 8_192

    /// - Throws: ``WebError/invalid(_:)``
    public init(_ text: String) throws(WebError) {
        guard text.utf8.count <= Self.longest,
            !text.unicodeScalars.contains(where: { $0.value <= 0x20 || $0.value == 0x7F || $0 == "\\" })
        else { throw .invalid("an address has no spaces, control characters and backslashes") }
        guard let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased() else {
            throw .invalid("it is no address such as https://example.com/page")
        }
        guard ["http", "https"].contains(scheme) else { throw .invalid("only http:// and https:// are fetched") }
        let authority = text.drop { $0 != ":" }.dropFirst()
        guard authority.hasPrefix("//"), parts.user == nil, parts.password == nil,
            !authority.dropFirst(2).prefix(while: { !"/?#".contains($0) }).contains("@")
        else { throw .invalid("an address has no user and no password") }
        isSecure = scheme == "https"
        host = try Self.host(parts.encodedHost ?? "")
        port = parts.port ?? (isSecure ? 443 : 80)
        guard (1...65_535).contains(port) else { throw .invalid("its port is none") }
        let path = parts.percentEncodedPath
        target = (path.isEmpty ? "/" : path) + (parts.percentEncodedQuery.map { "?\($0)" } ?? "")
        guard target.hasPrefix("/"), target.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
            target.utf8.count <= Self.longest
        else { throw .invalid("its path is none") }
    }

    /// The host when it is an address itself.
    public var literal: IPAddress? { IPAddress(host) }

    /// With scheme, host and port; an address of IPv6 in brackets.
    public var origin: String {
        let isUsual = port == (isSecure ? 443 : 80)
        return (isSecure ? "https://" : "http://") + (literal?.isIPv6 == true ? "[\(host)]" : host)
            + (isUsual ? "" : ":\(port)")
    }

    public var description: String { origin + target }

    /// Where a link on this page leads.
    ///
    /// - Throws: ``WebError/invalid(_:)``
    public func resolve(_ link: String) throws(WebError) -> WebAddress {
        guard link.utf8.count <= Self.longest, let base = URL(string: description),
            let url = URL(string: link, relativeTo: base)
        else { throw .invalid("it is no address") }
        return try WebAddress(url.absoluteString)
    }

    // MARK: Hosts

    private static func host(_ encoded: String) throws(WebError) -> String {
        var host = encoded.lowercased()
        if host.hasPrefix("["), host.hasSuffix("]") {
            guard let address = IPAddress(String(host.dropFirst().dropLast())), address.isIPv6 else {
                throw .invalid("its host is no address")
            }
            return address.description
        }
        if host.hasSuffix(".") { host.removeLast() }
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        let isName = labels.allSatisfy { label in
            (1...63).contains(label.utf8.count)
                && label.utf8.allSatisfy { byte in
                    (97...122).contains(byte) || (48...57).contains(byte) || byte == 45 || byte == 95
                }
        }
        guard isName, host.utf8.count <= 253, let last = labels.last else { throw .invalid("its host is no name") }
        // A name that ends in a number is an address in some form: 2130706433, 0x7f.1, 0177.0.0.1. One form is enough.
        if last.utf8.allSatisfy({ (48...57).contains($0) }) || last.hasPrefix("0x") {
            guard IPAddress(host) != nil else { throw .invalid("an address of IPv4 is four decimal numbers") }
            return host
        }
        return host
    }

    /// The name stands for this machine or the network around it, whoever is asked.
    var isLocalName: Bool {
        ["localhost", "local", "internal", "home.arpa", "localdomain", "onion"].contains {
            host == $0 || host.hasSuffix("." + $0)
        }
    }
}

/// Why nothing was fetched. Says nothing that only the network around this machine knows.
public enum WebError: Error, Sendable, Equatable, CustomStringConvertible {
    case invalid(String)
    /// The host is not one of the internet.
    case refused(_ host: String)
    case unknownHost(String)
    case unreachable(_ host: String)
    case timedOut(_ host: String)
    /// More bytes than were wanted.
    case tooLarge(limit: Int)
    case tooManyRedirects
    /// A secure page leads to one that isn't.
    case downgraded
    /// Too many are under way.
    case busy

    public var description: String {
        switch self {
        case .invalid(let why): "this can't be fetched: \(why)"
        case .refused(let host):
            "\(host.prefix(253)) is not a public address of the internet, and only those are fetched"
        case .unknownHost(let host): "nobody knows the host \(host.prefix(253))"
        case .unreachable(let host): "\(host.prefix(253)) can't be reached, or does not speak as it should"
        case .timedOut(let host): "\(host.prefix(253)) did not answer in time"
        case .tooLarge(let limit): "the answer is larger than \(limit) bytes"
        case .tooManyRedirects: "the page leads from one address to the next without end"
        case .downgraded: "the page leads from https:// to http://, which is not followed"
        case .busy: "too many pages are being fetched: try again in a moment"
        }
    }
}
