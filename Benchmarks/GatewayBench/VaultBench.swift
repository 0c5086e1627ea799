internal import Agent
internal import Foundation
internal import Store
internal import Wire

// How fast is a large vault? Notes of ordinary size with words as frequent as in a language, tags and links; an index from
// nothing, searches, graphs and lists, one after the other, and how soon an edit by hand is found.

struct VaultBench {
    let directory: String
    let count: Int

    private static let searches = 1_000
    private static let rounds = 20

    func run() async throws {
        var generator = Generator(state: 1)
        try makeNotes(&generator)
        let vault = Vault(directory: directory + "/notes", indexPath: directory + "/index.db") {
            Date().timeIntervalSince1970
        }
        let clock = ContinuousClock()
        let index = try await clock.measure { guard try await vault.notes().count == count else { throw lost } }

        var searches: [Duration] = []
        for number in 0..<Self.searches {
            let words = (0...(number % 3)).map { _ in generator.word() }
            let filter = NoteIndex.Filter(
                prefix: number % 5 == 0 ? "f\(number % 100)/" : "", tag: number % 7 == 0 ? "tag\(number % 50)" : nil)
            searches.append(
                try await clock.measure {
                    _ = try await vault.search(words, limit: 20, filter: filter, isFilled: false, wholeBodies: false)
                })
        }
        searches.sort()

        var graphs: [Duration] = []
        var edits: [Duration] = []
        for number in 0..<Self.rounds {
            // A graph is made anew after each change.
            let word = "edited\(number)"
            try Data("[[n1]] \(word)".utf8).write(to: URL(fileURLWithPath: directory + "/notes/f0/n0.md"))
            edits.append(
                try await clock.measure {
                    guard try await vault.search([word]).hits.first?.path == "f0/n0.md" else { throw lost }
                })
            graphs.append(
                try await clock.measure {
                    let graph = try await vault.graph()
                    guard graph.notes.count == count, Self.body(graph).json().count > count else {
                        throw lost
                    }
                })
        }
        let edges = try await vault.graph().edges.count

        let again = Vault(directory: directory + "/notes", indexPath: directory + "/index.db") {
            Date().timeIntervalSince1970
        }
        let reopened = try await clock.measure { guard try await again.notes().count == count else { throw lost } }
        Report.write([
            ("index_seconds", .seconds(index)), ("reopen_seconds", .seconds(reopened)), ("edges", .count(edges)),
            ("search_median_ms", .number(searches[searches.count / 2] / .milliseconds(1))),
            ("search_p99_ms", .number(searches[searches.count * 99 / 100] / .milliseconds(1))),
            ("graph_ms", .number(graphs.sorted()[graphs.count - 1] / .milliseconds(1))),
            ("edit_ms", .number(edits.sorted()[edits.count - 1] / .milliseconds(1))),
        ])
    }

    /// As the gateway answers it.
    private static func body(_ graph: VaultGraph) -> NoteGraphBody {
        NoteGraphBody(
            nodes: graph.notes.map { .init(id: $0.path, label: $0.label, tags: $0.tags, type: $0.type) },
            edges: graph.edges.map { .init(source: graph.notes[$0.source].path, target: graph.notes[$0.target].path) })
    }

    private var lost: BenchError { .unexpected("a note is missing") }

    private func makeNotes(_ generator: inout Generator) throws {
        for number in 0..<count {
            let folder = directory + "/notes/f\(number % 100)"
            if number < 100 {
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            }
            var text =
                "---\ntitle: Note \(number)\ntags: [tag\(generator.next() % 50), tag\(generator.next() % 50)]\n---\n"
            for paragraph in 0..<5 {
                text += "## Part \(paragraph)\n\n"
                text += (0..<60).map { _ in generator.word() }.joined(separator: " ")
                text += " [[n\(Int(generator.next() % UInt64(count)))#Part|there]]\n\n"
            }
            try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/n\(number).md"))
        }
    }

    /// The same numbers on every machine.
    private struct Generator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }

        /// The n-th word of 20,000 about every n-th time as often as the first one.
        mutating func word() -> String {
            let uniform = Double(next() % 1_000_000 + 1) / 1_000_000
            return "w\(Int(pow(20_000, uniform)))x"
        }
    }
}
