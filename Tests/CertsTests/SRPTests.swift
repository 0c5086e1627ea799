import Testing

@testable import Certs
@testable import Transport

@Suite struct SRPTests {
    static let vectors = (try? Vector.file("srp6a")) ?? Vector(nil)

    static func client(_ vector: Vector) -> SRPClient { SRPClient(secret: SecretBytes(vector["a"].hex)) }

    static func record(_ vector: Vector) -> SRPRecord {
        SRPRecord(
            handle: vector["handle"].text, password: Password(unchecked: Array(vector["password"].text.utf8)),
            salt: vector["salt"].hex)
    }

    static func server(_ vector: Vector) throws -> SRPServer {
        try SRPServer(
            handle: vector["handle"].text, record: record(vector), clientPublic: client(vector).publicValue,
            secret: SecretBytes(vector["b"].hex))
    }

    @Test func groupConstantsAreTheReferences() {
        #expect(SRPGroup.prime == Self.vectors["N"].hex)
        #expect(SRPGroup.multiplier == Self.vectors["k"].hex)
        #expect(SRPGroup.proofMask == Self.vectors["H(N) xor H(g)"].hex)
        #expect(Self.vectors["cases"].list.count == 12)
    }

    @Test(arguments: vectors["cases"].list) func everyMessageIsTheReferences(vector: Vector) throws {
        let wire = vector["wire"]
        let password = Password(unchecked: Array(vector["password"].text.utf8))
        let handle = vector["handle"].text
        #expect(
            SRP.privateKey(handle: handle, password: password, salt: vector["salt"].hex).bytes(paddedTo: 32)
                == vector["x"].hex)
        #expect(Self.record(vector).wire == wire["register.pake_record"].hex)
        #expect(Self.client(vector).publicValue == wire["login_init.ke1"].hex)
        let server = try Self.server(vector)
        #expect(server.response == wire["login_init.response"].hex)
        let proof = try Self.client(vector).proof(handle: handle, password: password, response: server.response)
        #expect(proof.wire == wire["login_finish.ke3"].hex)
        #expect(try server.answer(to: proof.wire) == wire["login_finish.m2"].hex)
        #expect(proof.isAnswered(by: wire["login_finish.m2"].hex))
    }

    @Test(arguments: vectors["reject"].list) func everyBadMessageIsRefused(vector: Vector) throws {
        let basic = Self.vectors["cases"].list[0]
        if vector.name.hasPrefix("record_") {
            #expect(throws: SRPError.malformedRecord) { try SRPRecord(wire: vector["register.pake_record"].hex) }
        } else if vector.name.hasPrefix("A_") {
            let error: SRPError = vector.name == "A_383_bytes" ? .malformedPublicValue : .illegalPublicValue
            #expect(throws: error) {
                try SRPServer(
                    handle: "alice", record: Self.record(basic), clientPublic: vector["login_init.ke1"].hex)
            }
        } else {
            let proof = vector["login_finish.ke3"].hex
            #expect(!proof.isEmpty)
            #expect(try Self.server(basic).answer(to: proof) == nil)
        }
    }

    @Test func clientRefusesAServerWithoutAKey() {
        let zero = [UInt8](repeating: 0, count: SRPGroup.elementLength)
        for element in [zero, SRPGroup.prime] {
            #expect(throws: SRPError.illegalPublicValue) {
                try SRPClient().proof(
                    handle: "alice", password: Password("x"), response: SRP.wire(salt: [1], element: element))
            }
        }
        #expect(throws: SRPError.illegalPublicValue) { try SRP.nonZero([UInt8](repeating: 0, count: 32)) }
    }

    @Test func verifiersOutsideTheGroupAreRefused() {
        for element in [[UInt8](repeating: 0, count: 384), SRPGroup.prime, [UInt8](repeating: 0xff, count: 384)] {
            #expect(throws: SRPError.malformedRecord) {
                try SRPRecord(wire: SRP.wire(salt: [1, 2, 3], element: element))
            }
        }
    }

    @Test func clientRefusesAServerThatDoesNotKnowTheVerifier() throws {
        let vector = Self.vectors["cases"].list[0]
        let proof = try Self.client(vector).proof(
            handle: "alice", password: Password("hunter2"), response: vector["wire"]["login_init.response"].hex)
        var answer = vector["wire"]["login_finish.m2"].hex
        answer[63] ^= 1
        #expect(!proof.isAnswered(by: answer))
        #expect(!proof.isAnswered(by: []))
    }

    @Test func freshExchangesSucceedWithTheRightPasswordOnly() throws {
        let record = SRPRecord(handle: "zoë", password: try Password("correct horse"))
        for (text, isRight) in [("correct horse", true), ("correct horsf", false)] {
            let client = SRPClient()
            let server = try SRPServer(handle: "zoë", record: record, clientPublic: client.publicValue)
            let proof = try client.proof(handle: "zoë", password: Password(text), response: server.response)
            #expect(try (server.answer(to: proof.wire) != nil) == isRight)
        }
    }

    @Test func decoysAreStableAndShapedLikeRecords() throws {
        let key = [UInt8](repeating: 7, count: 32)
        let decoy = SRPRecord(decoyFor: "nobody", key: key)
        #expect(decoy == SRPRecord(decoyFor: "nobody", key: key))
        #expect(decoy != SRPRecord(decoyFor: "nobodx", key: key))
        #expect(decoy.wire.count == SRPRecord(handle: "alice", password: try Password("x")).wire.count)
        #expect(throws: Never.self) { try SRPRecord(wire: decoy.wire) }
    }

    @Test func passwordsNeverShowThemselves() throws {
        let password = try Password("hunter2")
        var dumped = ""
        dump(password, to: &dumped)
        for text in ["\(password)", String(reflecting: password), dumped] { #expect(!text.contains("hunter2")) }
        #expect(throws: PasswordError.empty) { try Password("") }
        #expect(throws: Never.self) { try Password(String(repeating: "x", count: 1_024)) }
        #expect(throws: PasswordError.tooLong) { try Password(String(repeating: "x", count: 1_025)) }
    }
}
