internal import Foundation

// Whose files are fetched? Green API keeps what people send with companies that rent storage, and names the address in a notification.
// Only those places are asked: an address from outside must not make this machine look around in its own network.

enum GreenFileAddress {
    /// Where Green API is known to keep files, and its own hosts, with everything below them.
    private static let hosts = [
        "green-api.com", "greenapi.com", "green-api.org.il", "green-api.com.kz", "digitaloceanspaces.com",
        "storage.yandexcloud.net", "whatsapp.net",
    ]

    /// - Parameter base: the address of the API, whose host may give files whatever it is.
    static func isAllowed(_ address: String, base: String) -> Bool {
        guard address.utf8.count <= 4096, let url = URLComponents(string: address),
            let own = URLComponents(string: base),
            url.user == nil, url.password == nil, let scheme = url.scheme?.lowercased(),
            let host = url.host?.lowercased()
        else { return false }
        if scheme == own.scheme?.lowercased(), host == own.host?.lowercased(), url.port == own.port { return true }
        return scheme == "https" && (url.port ?? 443) == 443
            && hosts.contains { host == $0 || host.hasSuffix(".\($0)") }
    }
}
