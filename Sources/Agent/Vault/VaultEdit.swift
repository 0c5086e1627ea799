// What do others want to hear of a vault? That a note was changed by hand, by somebody who did not ask the vault to do it.

/// A note that was changed by hand.
public struct VaultEdit: Sendable, Equatable {
    public enum Kind: Sendable { case created, updated, deleted }

    public var kind: Kind
    public var path: String
}
