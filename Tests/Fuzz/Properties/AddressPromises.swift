import NIOCore

@testable import Transport

// Text that is read as a node id or as a socket address has a canonical form that is read as the same, and consists of
// nothing but what belongs to it.

enum AddressPromises {
    static func check(_ input: [UInt8]) throws(BrokenPromise) -> Bool {
        let text = String(decoding: input, as: UTF8.self)
        let id = Result(catching: { () throws(NodeIDError) in try NodeID(text) })
        switch id {
        case .success(let id): try checkNodeID(id, of: text)
        case .failure(let error):
            try promise(error.description.utf8.count <= 420, "a refusal repeats all that it was given")
        }
        let address = try? SocketAddress(hostAndPort: text)
        if let address { try checkAddress(address, of: text) }
        return (try? id.get()) != nil || address != nil
    }

    private static func checkNodeID(_ id: NodeID, of text: String) throws(BrokenPromise) {
        let base32 = Base32.encode(id.bytes)
        try promise(id.bytes.count == NodeID.length, "\(id.bytes.count) bytes are a node id")
        try promise((try? NodeID(id.hex)) == id && (try? NodeID(base32)) == id, "a node id is not read as written")
        let spelling = Array(text.utf8).map { isAlphanumeric($0) ? $0 | 0x20 : $0 }
        try promise(
            spelling == Array(id.hex.utf8).map { $0 | 0x20 } || spelling == Array(base32.utf8).map { $0 | 0x20 },
            "\(text.debugDescription) is another spelling of \(id)")
    }

    private static func checkAddress(_ address: SocketAddress, of text: String) throws(BrokenPromise) {
        let written = address.hostAndPort
        try promise((try? SocketAddress(hostAndPort: written)) == address, "\(text) is written as \(written)")
        try promise(
            text.utf8.allSatisfy { isAlphanumeric($0) || Array(":.[]".utf8).contains($0) },
            "\(text.debugDescription) is an address")
        try promise(
            text.hasPrefix("[") == (address.protocol == .inet6), "\(text) is an address of the other family's form")
        let port = text.utf8.reversed().prefix { $0 != UInt8(ascii: ":") }
        try promise(
            port.allSatisfy { (48...57).contains($0) }
                && port.reversed().reduce(0) { $0 * 10 + Int($1) - 48 } == address.port,
            "\(text) has the port \(address.port ?? -1)")
        let plain = NetworkAddress(address)
        try promise(plain?.socketAddress == address, "\(text) changes on the hot path")
        try promise(plain?.description == written, "\(text) has two descriptions")
    }

    private static func isAlphanumeric(_ character: UInt8) -> Bool {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"):
            true
        default: false
        }
    }
}
