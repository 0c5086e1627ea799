internal import CSodium
internal import Glibc

// The private half of a node's address and its file. A key is born on its device, never replaced by accident and
// never read from a file that others could have read. Its bytes leave this module only into TLS and libsodium.

/// A node's private key: the 32-byte Ed25519 seed (RFC 8032). It describes itself by its public key only.
public struct SecretKey: Sendable {
    /// Bytes in a seed, and in a key file.
    public static let length = 32

    /// The seed. For TLS and key derivation inside the transport.
    let seed: [UInt8]
    /// libsodium's form: seed, then public key.
    private let expanded: [UInt8]

    /// The address of the node that holds this key.
    public let nodeID: NodeID

    /// A new key from the system's random source.
    public init() {
        var seed = [UInt8](repeating: 0, count: Self.length)
        randombytes_buf(&seed, seed.count)
        self.init(checkedSeed: seed)
    }

    /// - Throws: ``SecretKeyError/wrongLength(path:count:)`` unless there are exactly 32 bytes.
    public init(seed: some Collection<UInt8>) throws(SecretKeyError) {
        guard seed.count == Self.length else { throw .wrongLength(path: nil, count: seed.count) }
        self.init(checkedSeed: Array(seed))
    }

    private init(checkedSeed seed: [UInt8]) {
        var publicKey = [UInt8](repeating: 0, count: NodeID.length)
        var expanded = [UInt8](repeating: 0, count: 64)
        crypto_sign_seed_keypair(&publicKey, &expanded, seed)
        self.seed = seed
        self.expanded = expanded
        guard let nodeID = try? NodeID(bytes: publicKey) else { preconditionFailure("a public key has 32 bytes") }
        self.nodeID = nodeID
    }

    /// The Ed25519 signature of `message`, 64 bytes.
    public func signature(for message: some Collection<UInt8>) -> [UInt8] {
        let message = Array(message)
        var signature = [UInt8](repeating: 0, count: 64)
        crypto_sign_detached(&signature, nil, message, UInt64(message.count), expanded)
        return signature
    }

    /// A 32-byte key for one purpose, the same after every restart: BLAKE2b keyed by the seed over `purpose`.
    public func derivedKey(for purpose: String) -> [UInt8] {
        let message = Array(purpose.utf8)
        var key = [UInt8](repeating: 0, count: 32)
        crypto_generichash(&key, key.count, message, UInt64(message.count), seed, seed.count)
        return key
    }
}

extension SecretKey: CustomStringConvertible, CustomDebugStringConvertible {
    public var description: String { "SecretKey(of: \(nodeID.short)…)" }
    public var debugDescription: String { description }
}

extension SecretKey: CustomReflectable {
    public var customMirror: Mirror { Mirror(self, children: ["nodeID": nodeID]) }
}

/// Why a key file was refused.
public enum SecretKeyError: Error, Equatable, CustomStringConvertible {
    case wrongLength(path: String?, count: Int)
    case readableByOthers(path: String, mode: UInt32)
    case notFound(path: String)
    case file(path: String, operation: String, code: Int32)

    public var description: String {
        switch self {
        case .wrongLength(let path, let count):
            "\(path ?? "the secret key") has \(count) bytes; a key file holds exactly 32"
        case .readableByOthers(let path, let mode):
            "\(path) can be read by group or others (mode \(String(mode, radix: 8))): "
                + "run 'chmod 600 \(path)' if you trust everyone who could read it, else make a new key"
        case .notFound(let path):
            "there is no key at \(path)"
        case .file(let path, let operation, let code):
            "cannot \(operation) \(path): \(String(cString: strerror(code)))"
        }
    }
}

extension SecretKey {
    /// Reads a key file: exactly 32 bytes, no permission for group or others.
    public static func load(path: String) throws(SecretKeyError) -> SecretKey {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            throw errno == ENOENT ? .notFound(path: path) : .file(path: path, operation: "open", code: errno)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .file(path: path, operation: "stat", code: errno) }
        guard status.st_mode & 0o077 == 0 else {
            throw .readableByOthers(path: path, mode: status.st_mode & 0o777)
        }
        guard status.st_size == Self.length else { throw .wrongLength(path: path, count: Int(status.st_size)) }
        var seed = [UInt8](repeating: 0, count: Self.length)
        let count = read(descriptor, &seed, seed.count)
        guard count == Self.length else { throw .wrongLength(path: path, count: max(0, count)) }
        return SecretKey(checkedSeed: seed)
    }

    /// Reads the key at `path`, or makes one there (mode 0600). Two processes that start together agree on one key:
    /// the file is written beside its place and linked into it, which fails when a key is there already.
    public static func loadOrCreate(path: String) throws(SecretKeyError) -> SecretKey {
        do { return try load(path: path) } catch .notFound {}
        let key = SecretKey()
        let temporary = "\(path).\(getpid()).\(Base16.encode(key.nodeID.bytes.prefix(4))).new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .file(path: path, operation: "create", code: errno) }
        defer { unlink(temporary) }
        let written = write(descriptor, key.seed, key.seed.count)
        let synced = fsync(descriptor)
        let code = errno
        close(descriptor)
        guard written == Self.length, synced == 0 else { throw .file(path: path, operation: "write", code: code) }
        guard link(temporary, path) == 0 else {
            if errno == EEXIST { return try load(path: path) }
            throw .file(path: path, operation: "create", code: errno)
        }
        return key
    }
}
