// Who asks to talk through a bridge, and who may? The rows as values.

/// A bridge, as far as its senders are concerned: those of one bridge are nobody to another.
public struct PairingPlace: Sendable, Hashable {
    public var platform: String
    /// The device that it runs on, in hexadecimal digits; nil: the agent itself.
    public var device: String?

    public init(platform: String, device: String?) {
        self.platform = platform
        self.device = device
    }
}

/// Somebody who asked, and the code that they were told.
public struct PairingRecord: Sendable, Equatable {
    public var place: PairingPlace
    /// The platform's id.
    public var sender: String
    /// What the platform calls them.
    public var name: String
    public var code: String
    /// Unix seconds.
    public var createdAt: Double
    public var expiresAt: Double

    public init(
        place: PairingPlace, sender: String, name: String, code: String, createdAt: Double, expiresAt: Double
    ) {
        self.place = place
        self.sender = sender
        self.name = name
        self.code = code
        self.createdAt = createdAt
        self.expiresAt = expiresAt
    }
}

/// Somebody who may talk.
public struct SenderRecord: Sendable, Equatable {
    public var place: PairingPlace
    public var sender: String
    public var name: String
    public var approvedBy: String
    /// Unix seconds.
    public var approvedAt: Double

    public init(place: PairingPlace, sender: String, name: String, approvedBy: String, approvedAt: Double) {
        self.place = place
        self.sender = sender
        self.name = name
        self.approvedBy = approvedBy
        self.approvedAt = approvedAt
    }
}
