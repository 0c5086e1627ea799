public import Store
public import Transport

// What does a person hand to another so that the other can join? A ticket: where the coordinator is, which key it has,
// and a code that is worth one (or a few) admissions. The codec of network.md §5.3; who may redeem the code is the
// coordinator's question. The text of a ticket is a secret, so nothing but ``InviteTicket/text`` shows it.

/// An invitation to a network in the form that people copy: `oa1` and a base32 body.
public struct InviteTicket: Sendable, Equatable {
    /// Longest ticket text in bytes.
    public static let maximumLength = 8 * 1_024
    /// How every ticket begins. Case matters.
    public static let prefix = "oa1"

    /// The normalised invite code.
    public var code: String
    /// The coordinator's node id, which is also the key that signs the network's certificates.
    public var node: NodeID
    /// What people call the network.
    public var networkName: String
    /// The network's id, opaque.
    public var networkID: String
    /// What the bearer may become.
    public var role: InviteRole
    /// The handle for which the ticket was made; empty when it is open.
    public var bindTo: String
    /// A relay that may know the coordinator.
    public var relayURL: String?
    /// Where the coordinator may be found, `ip:port` each. Hints only.
    public var addresses: [String]

    public init(
        code: String, node: NodeID, networkName: String, networkID: String, role: InviteRole = .user,
        bindTo: String = "", relayURL: String? = nil, addresses: [String] = []
    ) {
        self.code = code
        self.node = node
        self.networkName = networkName
        self.networkID = networkID
        self.role = role
        self.bindTo = bindTo
        self.relayURL = relayURL
        self.addresses = addresses
    }

    /// Reads a ticket. Characters of the body that base32 does not know (line breaks, hyphens, padding) are skipped; the
    /// prefix must be exact, so trim pasted text first.
    ///
    /// - Throws: ``TicketError``.
    public init(_ text: String) throws(TicketError) {
        guard text.utf8.count <= Self.maximumLength else { throw .tooLong }
        guard text.utf8.starts(with: Self.prefix.utf8) else { throw .notATicket }
        let body = text.utf8.dropFirst(Self.prefix.utf8.count).filter(Base32.contains)
        guard let bytes = Base32.decode(body),
            let value = try? CBORReader.read(bytes, limits: CBORLimits(bytes: Self.maximumLength)),
            case .map(let fields) = value
        else { throw .damaged }
        guard fields["v"] == .unsigned(1) else { throw .unsupportedVersion }
        code = InviteCode.normalised(try Self.text("code", of: fields))
        guard !code.isEmpty else { throw .invalidField("code") }
        let nodeText = try Self.text("node_id", of: fields)
        guard let node = try? NodeID(nodeText) else { throw .invalidField("node_id") }
        self.node = node
        networkName = try Self.text("name", of: fields)
        networkID = try Self.text("network_id", of: fields)
        guard let role = InviteRole(rawValue: try Self.text("role", of: fields, ifAbsent: InviteRole.user.rawValue))
        else { throw .invalidField("role") }
        self.role = role
        bindTo = try Self.text("bind_to", of: fields, ifAbsent: "")
        relayURL =
            if case .text(let url) = fields["relay_url"], !url.isEmpty, Self.isPrintable(url) { url } else { nil }
        addresses = Self.addresses(of: fields)
    }

    /// The ticket to hand over. A secret: whoever reads it may join.
    public var text: String {
        var fields: CBORMap = [
            "v": .unsigned(1),
            "code": .text(code),
            "node_id": .text(node.hex),
            "name": .text(networkName),
            "network_id": .text(networkID),
            "role": .text(role.rawValue),
            "bind_to": .text(bindTo),
        ]
        if let relayURL, !relayURL.isEmpty { _ = fields.insert("relay_url", .text(relayURL)) }
        if !addresses.isEmpty { _ = fields.insert("addresses", .array(addresses.map { .text($0) })) }
        return Self.prefix + Base32.encode(CBORValue.map(fields).encoded)
    }

    private static func text(_ key: String, of fields: CBORMap) throws(TicketError) -> String {
        guard let value = fields[key] else { throw .missingField(key) }
        guard case .text(let text) = value, isPrintable(text) else { throw .invalidField(key) }
        return text
    }

    private static func text(_ key: String, of fields: CBORMap, ifAbsent: String) throws(TicketError) -> String {
        switch fields[key] {
        case nil, .null: ifAbsent
        default: try text(key, of: fields)
        }
    }

    /// What a ticket says is shown in terminals, where control characters are commands.
    static func isPrintable(_ text: String) -> Bool {
        !text.unicodeScalars.contains { $0.properties.generalCategory == .control }
    }

    private static func addresses(of fields: CBORMap) -> [String] {
        guard case .array(let items) = fields["addresses"] else { return [] }
        return items.compactMap { item in
            if case .text(let text) = item, !text.isEmpty, isPrintable(text) { text } else { nil }
        }
    }
}

extension InviteTicket: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The network and the role, without the code.
    public var description: String { "InviteTicket(\(role.rawValue) of \(networkName) at \(node.short)…)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Why a text is not a usable ticket.
public enum TicketError: Error, Equatable, CustomStringConvertible {
    case tooLong
    case notATicket
    case damaged
    case unsupportedVersion
    case missingField(String)
    case invalidField(String)

    public var description: String {
        switch self {
        case .tooLong: "the ticket is longer than \(InviteTicket.maximumLength) bytes: it was not copied alone"
        case .notATicket: "this is not an invite ticket: one begins with '\(InviteTicket.prefix)'"
        case .damaged: "the ticket is damaged"
        case .unsupportedVersion: "the ticket is of a version that this program does not know"
        case .missingField(let field): "the ticket is incomplete (\(field) is missing)"
        case .invalidField(let field): "the ticket is not valid (\(field))"
        }
    }
}
