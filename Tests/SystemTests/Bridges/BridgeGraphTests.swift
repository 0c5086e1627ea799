import Foundation
import Testing

// P-65: a new chat platform is a folder, and nothing else. Looked for in the sources, as a compiler can't say it.

@Suite struct BridgeGraphTests {
    private static let sources = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Sources")

    /// Where platforms may be named: their folders, their markup, and the lists of them.
    private static let lists: Set = ["Wire/Bridges/ChannelSettings.swift", "Bridges/Platforms.swift"]

    private static func files() throws -> [(path: String, text: String)] {
        let paths = try #require(FileManager.default.enumerator(atPath: sources.path)).compactMap { $0 as? String }
        return try paths.filter { $0.hasSuffix(".swift") }.sorted().map { path in
            (path, try String(contentsOf: sources.appending(path: path), encoding: .utf8))
        }
    }

    @Test("P-65: neither the agent nor the gateway knows the room of bridges, and that room knows neither of them")
    func nobodyImportsBridges() throws {
        let files = try Self.files()
        #expect(files.count > 500)
        func imports(_ text: String) -> Set<String> {
            Set(text.matches(of: /(?m)^(?:public |internal |package |@testable )*import (\w+)/).map { String($0.1) })
        }
        for (path, text) in files {
            let room = path.split(separator: "/")[0]
            let imported = imports(text)
            if room == "Bridges" {
                #expect(
                    imported.isDisjoint(with: ["Agent", "Gateway", "Certs", "Transport", "LoopbackProxy"]), "\(path)")
            } else if room != "openagent" {
                #expect(!imported.contains("Bridges"), "\(path)")
            }
        }
    }

    @Test("P-65: outside of its folder a platform is named in the list of platforms alone")
    func platformsAreNamedInTheListAlone() throws {
        let names = /(?i)telegram|discord|whatsapp|slack/
        var rooms: Set<String> = []
        for (path, text) in try Self.files() where !Self.lists.contains(path) {
            // Services that send webhooks are no chat platforms here.
            guard !path.contains("Webhook") else { continue }
            let parts = path.split(separator: "/").map(String.init)
            if parts[0] == "Bridges", parts.count > 2, parts[1].contains(names) || parts[1] == "Markup" {
                rooms.insert(parts[1])
                continue
            }
            // What comments and an example of a configuration say binds nobody.
            let code = text.split(separator: "\n").filter { line in
                let line = line.drop { $0 == " " }
                return !line.hasPrefix("//") && !line.hasPrefix("#")
            }
            for line in code { #expect(!line.contains(names), "\(path): \(line)") }
        }
        #expect(rooms.isSuperset(of: ["Telegram", "Discord", "WhatsApp", "Slack"]))
    }
}
