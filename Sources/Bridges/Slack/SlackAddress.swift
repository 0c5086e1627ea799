internal import Foundation

// Which addresses are Slack's? Events and answers name some, and tokens go to files: nothing is sent anywhere but to Slack, or to the host
// that the configuration names in its place.

enum SlackAddress {
    private static let domains = ["slack.com", "slack-gov.com"]

    /// Whether a file may be fetched from, or an answer sent to, an address.
    static func isTrusted(_ address: String, base: String) -> Bool {
        guard let url = parts(address), let own = parts(base) else { return false }
        if url.scheme == own.scheme, url.host == own.host, url.port == own.port { return true }
        return url.scheme == "https" && isSlack(url)
    }

    /// Whether a connection may go to an address. Without TLS only when the API is reached without, too.
    static func isSocket(_ address: String, base: String) -> Bool {
        guard let url = parts(address), let own = parts(base) else { return false }
        if url.scheme == "ws" { return own.scheme == "http" && url.host == own.host }
        return url.scheme == "wss" && (isSlack(url) || url.host == own.host)
    }

    private static func isSlack(_ url: (scheme: String, host: String, port: Int?)) -> Bool {
        (url.port ?? 443) == 443 && domains.contains { url.host == $0 || url.host.hasSuffix(".\($0)") }
    }

    private static func parts(_ address: String) -> (scheme: String, host: String, port: Int?)? {
        guard address.utf8.count <= 4096, let url = URLComponents(string: address), url.user == nil,
            url.password == nil, let scheme = url.scheme?.lowercased(), let host = url.host?.lowercased()
        else { return nil }
        return (scheme, host, url.port)
    }
}
