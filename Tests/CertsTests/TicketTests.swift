import Testing

@testable import Certs
@testable import Store
@testable import Transport

@Suite struct TicketTests {
    static let vectors = (try? Vector.file("invite_tickets")) ?? Vector(nil)

    static func ticket(_ fields: Vector) throws -> InviteTicket {
        InviteTicket(
            code: fields["code"].text, node: try NodeID(fields["node_id"].text), networkName: fields["name"].text,
            networkID: fields["network_id"].text, role: try #require(InviteRole(rawValue: fields["role"].text)),
            bindTo: fields["bind_to"].text, relayURL: fields["relay_url"].optionalText,
            addresses: fields["addresses"].list.map(\.text))
    }

    @Test(arguments: vectors["encode"].list) func ticketsAreWrittenAsTheReferenceWritesThem(vector: Vector) throws {
        #expect(try Self.ticket(vector["fields"]).text == vector["ticket"].text)
    }

    @Test(arguments: vectors["decode"].list) func ticketsAreReadAsTheReferenceReadsThem(vector: Vector) throws {
        if vector["expect"].text == "accept" {
            #expect(try InviteTicket(vector["ticket"].text) == Self.ticket(vector["fields"]))
            return
        }
        let error = try #require(throws: TicketError.self) { try InviteTicket(vector["ticket"].text) }
        let isRight =
            switch (vector["stage"].text, error) {
            case ("prefix", .notATicket), ("base32", .damaged), ("cbor", .damaged), ("version", .unsupportedVersion),
                ("field", .missingField):
                true
            default: false
            }
        #expect(isRight, "\(vector.name): \(error)")
    }

    @Test func codesHaveTheReferencesForms() {
        let code = Self.vectors["invite_code"]
        #expect(Base32.encode(code["raw"].hex) == code["code"].text)
        #expect(InviteCode.display(code["code"].text) == code["display"].text)
        for vector in code["normalise"].list {
            #expect(InviteCode.normalised(vector["in"].text) == vector["out"].text)
        }
        #expect(InviteCode.random().count == 20)
        #expect(InviteCode.random() != InviteCode.random())
    }

    @Test func ticketsNeverShowTheirCode() throws {
        let ticket = try InviteTicket(Self.vectors["decode"].list[0]["ticket"].text)
        var dumped = ""
        dump(ticket, to: &dumped)
        for text in ["\(ticket)", String(reflecting: ticket), dumped] {
            #expect(!text.contains(ticket.code))
            #expect(!text.contains(ticket.text))
        }
    }

    @Test func ticketsAreBounded() throws {
        var ticket = try InviteTicket(Self.vectors["decode"].list[0]["ticket"].text)
        ticket.addresses = Array(repeating: "192.0.2.7:4433", count: 200)
        #expect(try InviteTicket(ticket.text) == ticket)
        ticket.addresses = Array(repeating: "192.0.2.7:4433", count: 400)
        #expect(throws: TicketError.tooLong) { try InviteTicket(ticket.text) }
        let limit = InviteTicket.maximumLength
        #expect(throws: TicketError.damaged) { try InviteTicket("oa1" + String(repeating: "a", count: limit - 3)) }
        #expect(throws: TicketError.tooLong) { try InviteTicket("oa1" + String(repeating: "a", count: limit - 2)) }
    }

    @Test func namesWithControlCharactersAreRefused() throws {
        var ticket = try InviteTicket(Self.vectors["decode"].list[0]["ticket"].text)
        ticket.networkName = "home\u{1b}[2Jlab"
        #expect(throws: TicketError.invalidField("name")) { try InviteTicket(ticket.text) }
    }
}
