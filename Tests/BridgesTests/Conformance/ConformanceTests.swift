import Foundation
import Synchronization
import Testing

@testable import Bridges
@testable import Wire

// The frame keeps its promises with a platform in memory. A platform's own suite is the same with its own fake.

struct InMemory: ConformingPlatform {
    let fake: FakePlatform
    private let last = Last()

    private final class Last: Sendable { let updates = Mutex<[InboundUpdate]>([]) }

    static func run<T: Sendable>(_ body: @escaping @Sendable (InMemory) async throws -> T) async throws -> T {
        try await body(InMemory(fake: FakePlatform()))
    }

    var account: PlatformAccount { .telegram(token: "secret") }
    func makeBridge(_ settings: ChannelSettings) -> any Bridge { fake }
    var ana: String { "ana" }
    var bob: String { "bob" }
    var stranger: String { "mallory" }
    var group: String? { "group" }

    private func give(_ update: InboundUpdate) {
        last.updates.withLock { $0.append(update) }
        fake.give(update)
    }

    func say(_ text: String, by user: String, in group: String?, isMentioning: Bool) async throws {
        let isAddressed = group == nil || isMentioning
        if text.hasPrefix("/"), text.count > 1 {
            let words = text.dropFirst().split(separator: " ", maxSplits: 1).map(String.init)
            return give(.command(words[0], words.count > 1 ? words[1] : "", by: user, in: group))
        }
        give(.say(text, by: user, in: group, isAddressed: isAddressed))
    }

    func sendFile(_ name: String, _ bytes: [UInt8], caption: String, by user: String) async throws -> Bool {
        let file = InboundFile(name: name, mimeType: "text/plain", size: Int64(bytes.count)) { try await $0(bytes) }
        give(.say(caption, by: user, files: [file]))
        return true
    }

    func sayAnonymously(_ text: String) async throws -> Bool {
        give(.say(text, by: nil))
        return true
    }

    func repeatUpdates() async throws {
        for update in last.updates.withLock({ $0 }) { fake.give(update) }
        // It tells them on a new connection.
        fake.cut()
    }

    func messages(in chat: String) async throws -> [ConformingMessage] {
        fake.messages(in: chat).map { message in
            ConformingMessage(
                id: message.id, text: message.text, file: message.file.map { ($0, message.bytes) },
                buttons: message.buttons.map(\.data))
        }
    }

    func press(_ data: String, on message: ConformingMessage, by user: String) async throws -> Bool {
        give(.press(data, by: user))
        return true
    }

    func cut() async throws { fake.cut() }
    func storm(_ count: Int) async throws { fake.fail(count, .wait(.milliseconds(20), .chat)) }
    func fail(_ count: Int) async throws { fake.fail(count, .unavailable("out of order")) }

    func setBlocked(_ isBlocked: Bool, by user: String) async throws {
        if isBlocked { fake.close(user) } else { fake.open(user) }
    }

    func refuseMarkup() async throws -> Bool { false }
}

@Suite(.timeLimit(.minutes(2))) struct InMemoryConformanceTests {
    typealias Conformance = BridgeConformance<InMemory>

    @Test func answersEachMessageOnce() async throws { try await Conformance.answersEachMessageOnce() }
    @Test func hearsARepeatedUpdateOnce() async throws { try await Conformance.hearsARepeatedUpdateOnce() }
    @Test("P-66") func comesBackWheneverItIsCut() async throws { try await Conformance.comesBackWheneverItIsCut() }
    @Test func survivesARestartOfTheAgent() async throws { try await Conformance.survivesARestartOfTheAgent() }
    @Test func survivesItsOwnEnd() async throws { try await Conformance.survivesItsOwnEnd() }
    @Test func sendsALongAnswerThroughAStorm() async throws { try await Conformance.sendsALongAnswerThroughAStorm() }
    @Test func triesAgainWhenThePlatformFails() async throws { try await Conformance.triesAgainWhenThePlatformFails() }
    @Test func parksAChatThatIsShut() async throws { try await Conformance.parksAChatThatIsShut() }
    @Test func stopsARunningAnswer() async throws { try await Conformance.stopsARunningAnswer() }
    @Test func passesOnWhatIsNoCommand() async throws { try await Conformance.passesOnWhatIsNoCommand() }
    @Test func stopsByItsButton() async throws { try await Conformance.stopsByItsButton() }
    @Test("P-36") func hearsOnlyWhoMayTalk() async throws { try await Conformance.hearsOnlyWhoMayTalk() }
    @Test("P-36") func hearsNobodyWhenTheListIsEmpty() async throws {
        try await Conformance.hearsNobodyWhenTheListIsEmpty()
    }
    @Test func letsInWhoWasApproved() async throws { try await Conformance.letsInWhoWasApproved() }
    @Test func carriesFilesBothWays() async throws { try await Conformance.carriesFilesBothWays() }
    @Test func takesNoPrograms() async throws { try await Conformance.takesNoPrograms() }
}
