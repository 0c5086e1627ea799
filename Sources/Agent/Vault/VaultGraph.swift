public import Store

// How do the notes hang together? Every note, and for each pair of which one links to the other, one edge. Links that mean no
// note make none. Made from the index alone.

/// The notes and their links.
public struct VaultGraph: Sendable {
    /// From one note to another; positions in ``VaultGraph/notes``.
    public struct Edge: Sendable, Hashable {
        public var source: Int
        public var target: Int
    }

    /// In the order of their paths' bytes.
    public let notes: [NoteSummary]
    /// Without repeats and without edges from a note to itself, in the order of their sources.
    public let edges: [Edge]
    let resolver: LinkResolver

    init(_ found: [(note: NoteSummary, keys: [String])]) {
        notes = found.map(\.note)
        resolver = LinkResolver(notes.lazy.map(\.path))
        var edges: [Edge] = []
        for (source, entry) in found.enumerated() {
            var targets: Set<Int> = []
            for key in entry.keys {
                if let target = resolver.resolve(key), target != source, targets.insert(target).inserted {
                    edges.append(Edge(source: source, target: target))
                }
            }
        }
        self.edges = edges
    }

    /// The notes that link to the one at `path`, in the order of their paths; nil when there is no such note.
    public func backlinks(to path: String) -> [NoteSummary]? {
        guard let target = notes.firstIndex(where: { $0.path.utf8.elementsEqual(path.utf8) }) else { return nil }
        return edges.lazy.filter { $0.target == target }.map { notes[$0.source] }
    }
}
