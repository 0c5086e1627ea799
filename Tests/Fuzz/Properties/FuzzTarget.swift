// Which parsers are attacked, and what must hold whatever bytes they are given? The fuzzer (../Driver) makes up inputs,
// the tests (../Replay) give again what it once found; both ask here. "It does not crash" is the least of the promises.

/// A parser that reads what strangers send.
enum FuzzTarget: String, CaseIterable {
    /// The certificate in front of a gateway stream.
    case preamble
    case cbor
    /// Framing and claims of a device certificate.
    case certificate
    case ticket
    case rpcFrame = "rpc-frame"
    case rpcMessage = "rpc-message"
    /// Node ids and socket addresses as text.
    case address
    /// The path probes of Iroh, which come in datagrams from anybody.
    case disco

    /// Gives `input` to the parser.
    ///
    /// - Returns: whether the parser read it as what it is for.
    /// - Throws: ``BrokenPromise`` when the parser does what it never may.
    @discardableResult
    func check(_ input: [UInt8]) throws(BrokenPromise) -> Bool {
        switch self {
        case .preamble: try Framing.checkPreamble(input)
        case .cbor: try CBORPromises.check(input)
        case .certificate: try CertificatePromises.check(input)
        case .ticket: try TicketPromises.check(input)
        case .rpcFrame: try Framing.checkRPCFrame(input)
        case .rpcMessage: try RPCMessagePromises.check(input)
        case .address: try AddressPromises.check(input)
        case .disco: try DiscoPromises.check(input)
        }
    }
}

/// What a parser did and never may.
struct BrokenPromise: Error, CustomStringConvertible {
    let description: String
}

/// - Throws: ``BrokenPromise`` unless `condition` holds.
func promise(_ condition: Bool, _ what: @autoclosure () -> String) throws(BrokenPromise) {
    if !condition { throw BrokenPromise(description: what()) }
}
