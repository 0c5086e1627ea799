import Foundation
import Testing
import Wire

@Suite struct VaultBodiesTests {
    @Test func aGraphIsTheJSONThatAnEncoderWrites() throws {
        let odd = (0..<0x80).map { String(UnicodeScalar($0)) }.joined() + "é\u{2028}🦉\\u0041"
        for graph in [
            NoteGraphBody(nodes: [], edges: []),
            NoteGraphBody(
                nodes: [
                    .init(id: "a.md", label: odd, tags: [], type: ""),
                    .init(id: odd, label: "", tags: ["x", odd], type: odd),
                ], edges: [.init(source: "a.md", target: odd), .init(source: odd, target: "a.md")]),
        ] {
            #expect(try JSONDecoder().decode(NoteGraphBody.self, from: Data(graph.json())) == graph)
        }
    }
}
