internal import CSodium
internal import Transport

// How are secrets hashed, compared, drawn and forgotten? The thin layer over libsodium: its pointers stay here.

/// SHA-256 (FIPS 180-4), fed piece by piece so that secret inputs are not first gathered in one buffer.
struct SHA256: ~Copyable {
    static let length = 32

    private var state = crypto_hash_sha256_state()

    init() { crypto_hash_sha256_init(&state) }

    mutating func update(_ bytes: [UInt8]) {
        crypto_hash_sha256_update(&state, bytes, UInt64(bytes.count))
    }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        let bytes = bytes.bindMemory(to: UInt8.self)
        crypto_hash_sha256_update(&state, bytes.baseAddress, UInt64(bytes.count))
    }

    mutating func update(_ secret: SecretBytes) {
        secret.withBytes { _ = crypto_hash_sha256_update(&state, $0.baseAddress, UInt64($0.count)) }
    }

    consuming func finish() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Self.length)
        crypto_hash_sha256_final(&state, &digest)
        sodium_memzero(&state, MemoryLayout.size(ofValue: state))
        return digest
    }

    static func digest(_ parts: [UInt8]...) -> [UInt8] {
        var hash = SHA256()
        for part in parts { hash.update(part) }
        return hash.finish()
    }
}

/// The SHA-256 of something large that comes piece by piece, as a file does.
package final class RunningDigest {
    private var hash: SHA256? = SHA256()

    package init() {}

    /// Not after ``finish()``.
    package func update(_ bytes: UnsafeRawBufferPointer) { hash?.update(bytes) }

    /// 64 hexadecimal digits. Once.
    package func finish() -> String { Base16.encode(hash.take()?.finish() ?? []) }
}

/// Whether two byte strings are equal, in a time that depends on their lengths only.
package func constantTimeEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.count == right.count && sodium_memcmp(left, right, left.count) == 0
}

/// `count` bytes from the system's random source.
package func randomBytes(_ count: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    randombytes_buf(&bytes, count)
    return bytes
}

/// `count` bytes that only the holder of `key` can tell from random ones (BLAKE2b in counter mode), for `purpose`.
func derivedBytes(_ count: Int, key: [UInt8], purpose: String) -> [UInt8] {
    var output: [UInt8] = []
    var counter: UInt8 = 0
    while output.count < count {
        let message = [counter] + Array(purpose.utf8)
        var block = [UInt8](repeating: 0, count: 64)
        crypto_generichash(&block, block.count, message, UInt64(message.count), key, key.count)
        output += block
        counter += 1
    }
    return Array(output.prefix(count))
}

/// Overwrites an array whose content was secret.
func wipe(_ bytes: inout [UInt8]) { sodium_memzero(&bytes, bytes.count) }

/// Bytes that are overwritten when the last owner lets go.
final class SecretBytes: @unchecked Sendable {
    // Safe to share: the memory is written before the initializer returns and again only in deinit, when nobody else
    // can hold a reference.
    private let storage: UnsafeMutableBufferPointer<UInt8>

    init(_ bytes: some Collection<UInt8>) {
        storage = .allocate(capacity: bytes.count)
        _ = storage.initialize(fromContentsOf: bytes)
    }

    static func random(_ count: Int) -> SecretBytes {
        var bytes = randomBytes(count)
        defer { wipe(&bytes) }
        return SecretBytes(bytes)
    }

    deinit {
        if let start = storage.baseAddress { sodium_memzero(start, storage.count) }
        storage.deallocate()
    }

    var count: Int { storage.count }

    /// The bytes, for the length of the call only.
    func withBytes<R>(_ body: (UnsafeBufferPointer<UInt8>) throws -> R) rethrows -> R {
        try body(UnsafeBufferPointer(storage))
    }
}
