import NIOCore
import Testing

@testable import Certs
@testable import Gateway
@testable import Transport

// P-02 where it counts: forged certificates in front of real streams. Each gets a 401 or loses its stream, all of them on
// one connection, which goes on serving the true one.

@Suite struct ForgeryTests {
    private static let request = Array("GET /api/agent-info HTTP/1.1\r\nHost: agent\r\n\r\n".utf8)

    /// The places of the wire form, each named, so that none is forgotten: a byte inside every claim's name and value.
    private static func places(in certificate: DeviceCertificate) throws -> [(field: String, index: Int)] {
        let wire = certificate.wire
        var places = [
            ("length", 3), ("map head", 4), ("signature, first half", wire.count - 64),
            ("signature, second half", wire.count - 1),
        ]
        for name in ["v", "handle", "device_pubkey", "network_id", "issued_at", "expires_at", "capabilities"] {
            let word = CBORValue.text(name).encoded
            let start = try #require(
                (4..<wire.count - 64).first { wire[$0...].starts(with: word) }, "\(name) is not in the certificate")
            places.append(("name of \(name)", start + 1))
            // Two bytes behind the name: past the head of its value, or the value itself when that is one byte.
            places.append(("value of \(name)", start + word.count + (name == "v" || name == "capabilities" ? 0 : 2)))
        }
        return places
    }

    private static func expectRefusal(
        of forged: [UInt8], _ what: String, on connection: QUICGatewayConnection,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let response = try await connection.answer(to: forged)
        #expect(response?.status == 401, "\(what): \(String(describing: response))", sourceLocation: sourceLocation)
        #expect(response?.body == "cert rejected: invalid", "\(what)", sourceLocation: sourceLocation)
    }

    /// The connection still serves the certificate that is true.
    private static func expectService(
        _ certificate: DeviceCertificate, on connection: QUICGatewayConnection,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        #expect(try await connection.answer(to: certificate.wire)?.status == 200, sourceLocation: sourceLocation)
    }

    @Test func aFlippedBitInAnyFieldIsRefused() async throws {
        let gateway = try QUICGateway()
        let certificate = gateway.certificate()
        try await gateway.run { connection in
            for (field, index) in try Self.places(in: certificate) {
                for bit in [0, 7] {
                    var forged = certificate.wire
                    forged[index] ^= 1 << bit
                    try await Self.expectRefusal(of: forged, "\(field), bit \(bit)", on: connection)
                }
            }
            try await Self.expectService(certificate, on: connection)
        }
    }

    @Test func everyTruncationIsRefused() async throws {
        let gateway = try QUICGateway()
        let certificate = gateway.certificate()
        try await gateway.run { connection in
            for count in 1..<certificate.wire.count {
                let cut = Array(certificate.wire.prefix(count))
                try await Self.expectRefusal(of: cut, "\(count) bytes", on: connection)
            }
            // No byte at all is no certificate, which is another answer.
            #expect(try await connection.answer(to: [])?.body == "missing device cert")
            try await Self.expectService(certificate, on: connection)
        }
    }

    /// The preamble announces the whole certificate, and the stream ends inside it.
    @Test func streamsThatEndInsideTheCertificateAreDropped() async throws {
        let gateway = try QUICGateway()
        let certificate = gateway.certificate()
        try await gateway.run { connection in
            let whole = UInt32(certificate.wire.count).bigEndianBytes + certificate.wire
            for count in 0..<whole.count {
                let stream = try await connection.stream()
                if count > 0 { try await stream.send(Array(whole.prefix(count))) }
                try await stream.channel.close(mode: .output)
                #expect(try await stream.endsSilently(), "\(count) of \(whole.count) bytes")
                await stream.close()
            }
            try await Self.expectService(certificate, on: connection)
        }
    }

    /// The preamble announces less than follows: the rest of the certificate is then read as HTTP, and is none.
    @Test func preamblesThatAnnounceLessThanTheCertificateAreRefused() async throws {
        let gateway = try QUICGateway()
        let certificate = gateway.certificate()
        try await gateway.run { connection in
            for count in stride(from: 0, to: certificate.wire.count, by: 7) {
                let stream = try await connection.stream()
                try await stream.send(UInt32(count).bigEndianBytes + certificate.wire + Self.request)
                let response = try await stream.response()
                #expect(response.map { $0.status >= 400 } ?? true, "\(count): \(String(describing: response))")
                await stream.close()
            }
            try await Self.expectService(certificate, on: connection)
        }
    }

    @Test func certificatesOfAnybodyElseAreRefused() async throws {
        let gateway = try QUICGateway()
        let certificate = gateway.certificate()
        try await gateway.run { connection in
            let signers = [("a stranger", SecretKey()), ("the device itself", gateway.device.key)]
            for (who, signer) in signers {
                try await Self.expectRefusal(
                    of: gateway.certificate(signedBy: signer).wire, "signed by \(who)", on: connection)
            }
            var unsigned = certificate.wire
            unsigned.replaceSubrange((unsigned.count - 64)..., with: repeatElement(0, count: 64))
            try await Self.expectRefusal(of: unsigned, "a signature of zeros", on: connection)
            try await Self.expectRefusal(of: certificate.wire + [0], "a byte more", on: connection)
            // P-04: the same coordinator key and the same device.
            for id in [QUICGateway.networkID.uppercased(), String(QUICGateway.networkID.dropLast()), ""] {
                try await Self.expectRefusal(
                    of: gateway.certificate(networkID: id).wire, "network '\(id)'", on: connection)
            }
            try await Self.expectService(certificate, on: connection)
        }
    }

    @Test(arguments: [16_384, 16_385, 65_536, 0x7fff_ffff, 0xffff_ffff] as [UInt32])
    func oversizedCertificatesAreDroppedBeforeTheyArrive(_ length: UInt32) async throws {
        let gateway = try QUICGateway()
        let certificate = gateway.certificate()
        try await gateway.run { connection in
            if length <= 16_384 {
                // As long as allowed, and padding is no certificate.
                let padded = certificate.wire + Array(repeating: 0, count: Int(length) - certificate.wire.count)
                try await Self.expectRefusal(of: padded, "\(length) bytes", on: connection)
            } else {
                let stream = try await connection.stream()
                try await stream.send(length.bigEndianBytes)
                #expect(try await stream.endsSilently(), "\(length) bytes")
            }
            try await Self.expectService(certificate, on: connection)
        }
    }
}
