internal import CGMP
internal import CSodium

// How is arithmetic modulo a 3,072-bit prime done without telling its secrets? The thin layer over GMP. Powers go through
// `mpz_powm_sec`, whose time and memory accesses do not depend on the values. Every number gets room for a product of
// two group elements at its birth, so that GMP never moves it and leaves a copy behind, and is overwritten at its end.

/// A natural number of at most 6,144 bits, for use within one computation.
final class Natural {
    private static let roomInBits: UInt = 6_144 + 128

    private let value: UnsafeMutablePointer<__mpz_struct> = .allocate(capacity: 1)

    private init() { __gmpz_init2(value, Self.roomInBits) }

    /// Reads big-endian bytes; there are at most 768 of them.
    convenience init(_ bytes: [UInt8]) {
        precondition(bytes.count * 8 <= Int(Self.roomInBits))
        self.init()
        __gmpz_import(value, bytes.count, 1, 1, 1, 0, bytes)
    }

    convenience init(_ secret: SecretBytes) {
        precondition(secret.count * 8 <= Int(Self.roomInBits))
        self.init()
        secret.withBytes { __gmpz_import(value, $0.count, 1, 1, 1, 0, $0.baseAddress) }
    }

    convenience init(_ small: UInt) {
        self.init()
        __gmpz_set_ui(value, small)
    }

    deinit {
        sodium_memzero(value.pointee._mp_d, Int(value.pointee._mp_alloc) * MemoryLayout<mp_limb_t>.size)
        __gmpz_clear(value)
        value.deallocate()
    }

    var isZero: Bool { value.pointee._mp_size == 0 }

    static func < (left: Natural, right: Natural) -> Bool { __gmpz_cmp(left.value, right.value) < 0 }

    static func + (left: Natural, right: Natural) -> Natural {
        let sum = Natural()
        __gmpz_add(sum.value, left.value, right.value)
        return sum
    }

    static func * (left: Natural, right: Natural) -> Natural {
        let product = Natural()
        __gmpz_mul(product.value, left.value, right.value)
        return product
    }

    func reduced(modulo modulus: Natural) -> Natural {
        let remainder = Natural()
        __gmpz_mod(remainder.value, value, modulus.value)
        return remainder
    }

    /// (self − other) mod modulus, never negative.
    func subtracting(_ other: Natural, modulo modulus: Natural) -> Natural {
        let difference = Natural()
        __gmpz_sub(difference.value, value, other.value)
        __gmpz_mod(difference.value, difference.value, modulus.value)
        return difference
    }

    /// self ^ exponent mod modulus, in constant time for the sizes given. The exponent is not zero, the modulus is odd.
    func power(_ exponent: Natural, modulo modulus: Natural) -> Natural {
        precondition(!exponent.isZero)
        let result = Natural()
        __gmpz_powm_sec(result.value, value, exponent.value, modulus.value)
        return result
    }

    /// The shortest big-endian form; zero is one zero byte.
    var shortestBytes: [UInt8] {
        guard !isZero else { return [0] }
        var count = (__gmpz_sizeinbase(value, 2) + 7) / 8
        var bytes = [UInt8](repeating: 0, count: count)
        __gmpz_export(&bytes, &count, 1, 1, 1, 0, value)
        return bytes
    }

    /// Big-endian bytes, padded with leading zero bytes to `count`.
    func bytes(paddedTo count: Int) -> [UInt8] {
        let bytes = shortestBytes
        precondition(bytes.count <= count)
        return [UInt8](repeating: 0, count: count - bytes.count) + bytes
    }
}
