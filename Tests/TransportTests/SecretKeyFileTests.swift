import Foundation
import Testing

@testable import Transport

struct SecretKeyFileTests {
    private let directory: String

    init() throws {
        directory = NSTemporaryDirectory() + "openagent-key-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    private func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    @Test func aNewKeyIsReadableByItsOwnerOnlyAndComesBack() throws {
        let path = directory + "/identity.key"
        #expect(throws: SecretKeyError.notFound(path: path)) { try SecretKey.load(path: path) }
        let key = try SecretKey.loadOrCreate(path: path)
        #expect(try mode(path) == 0o600)
        #expect(try SecretKey.load(path: path).nodeID == key.nodeID)
        #expect(try SecretKey.loadOrCreate(path: path).nodeID == key.nodeID)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["identity.key"])
    }

    @Test(arguments: [0o640, 0o604, 0o660, 0o644, 0o610])
    func aKeyThatOthersMayReadIsRefused(mode: Int) throws {
        let path = directory + "/identity.key"
        _ = try SecretKey.loadOrCreate(path: path)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        #expect(throws: SecretKeyError.readableByOthers(path: path, mode: UInt32(mode))) {
            try SecretKey.loadOrCreate(path: path)
        }
    }

    @Test(arguments: [0, 31, 33, 64])
    func aFileOfAnotherLengthIsRefusedAndNotReplaced(count: Int) throws {
        let path = directory + "/identity.key"
        let content = Data(repeating: 7, count: count)
        #expect(FileManager.default.createFile(atPath: path, contents: content, attributes: [.posixPermissions: 0o600]))
        #expect(throws: SecretKeyError.wrongLength(path: path, count: count)) {
            try SecretKey.loadOrCreate(path: path)
        }
        #expect(FileManager.default.contents(atPath: path) == content)
    }

    @Test func aLinkIsNotFollowed() throws {
        let real = directory + "/real.key"
        let link = directory + "/identity.key"
        _ = try SecretKey.loadOrCreate(path: real)
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: real)
        #expect(throws: SecretKeyError.self) { try SecretKey.load(path: link) }
    }

    @Test func twoThatCreateAtOnceAgreeOnOneKey() async throws {
        let path = directory + "/identity.key"
        let nodes = try await withThrowingTaskGroup(of: NodeID.self) { group in
            for _ in 0..<16 { group.addTask { try SecretKey.loadOrCreate(path: path).nodeID } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(nodes.count == 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["identity.key"])
    }

    @Test func aKeyNeverShowsItsSeed() throws {
        let key = try SecretKey(seed: Array(repeating: 0xab, count: 32))
        var dumped = ""
        dump(key, to: &dumped)
        for text in ["\(key)", String(reflecting: key), dumped] {
            #expect(!text.contains("ababab") && !text.contains("171"))
        }
    }

    @Test func derivedKeysDependOnKeyAndPurpose() throws {
        let key = try SecretKey(seed: Array(repeating: 1, count: 32))
        let other = try SecretKey(seed: Array(repeating: 2, count: 32))
        #expect(key.derivedKey(for: "a") == key.derivedKey(for: "a"))
        #expect(key.derivedKey(for: "a") != key.derivedKey(for: "b"))
        #expect(key.derivedKey(for: "a") != other.derivedKey(for: "a"))
    }
}
