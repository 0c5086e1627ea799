import Transport

@testable import Certs

// A ticket's text and the ticket say the same, no description shows its code, and no name in it can give orders to a
// terminal. Base32 hides the content from whoever makes up inputs, so the first byte decides: even, and the rest is the
// text that somebody pasted; odd, and the rest is what a ticket's base32 stands for.

enum TicketPromises {
    static func check(_ input: [UInt8]) throws(BrokenPromise) -> Bool {
        guard let first = input.first else { return false }
        let rest = input.dropFirst()
        let text =
            first.isMultiple(of: 2)
            ? String(decoding: rest, as: UTF8.self) : InviteTicket.prefix + Base32.encode(rest)
        let ticket: InviteTicket
        do throws(TicketError) {
            ticket = try InviteTicket(text)
        } catch {
            try promise(!error.description.isEmpty, "a refusal without a reason")
            return false
        }
        try promise(text.utf8.count <= InviteTicket.maximumLength, "\(text.utf8.count) bytes were read")
        try promise(text.hasPrefix(InviteTicket.prefix), "a text without the prefix was read")
        for field in fields(of: ticket) {
            try promise(
                !field.unicodeScalars.contains { $0.properties.generalCategory == .control },
                "control characters came in: \(field.debugDescription)")
        }
        try promise(!ticket.code.isEmpty, "a ticket without a code was read")
        // A short code may well be a part of the network's name.
        if ticket.code.utf8.count >= 20, !ticket.networkName.contains(ticket.code) {
            try promise(!"\(ticket) \(String(reflecting: ticket))".contains(ticket.code), "the code is shown")
        }
        // Written with every field in its long form, a ticket may grow past what is read.
        let written = ticket.text
        guard written.utf8.count <= InviteTicket.maximumLength else { return true }
        let again = try? InviteTicket(written)
        try promise(
            again.map { fields(of: $0).map { Array($0.utf8) } } == fields(of: ticket).map { Array($0.utf8) },
            "written and read again it is another ticket")
        try promise(again?.text == written, "it is not written the same twice")
        return true
    }

    private static func fields(of ticket: InviteTicket) -> [String] {
        [
            ticket.code, ticket.node.hex, ticket.networkName, ticket.networkID, ticket.role.rawValue, ticket.bindTo,
            ticket.relayURL ?? "",
        ] + ticket.addresses
    }
}
