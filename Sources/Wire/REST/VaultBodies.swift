public import JSON

// What is said over REST about the vault: its notes, what is in one of them, and how they hang together. Paths are relative
// to the vault with `/` between their parts; times are Unix seconds.

/// One note in `GET /api/vault/notes` and `GET /api/vault/backlinks`.
public struct NoteBody: Codable, Sendable, Equatable {
    public var path: String
    /// From the front matter, else the file's name without `.md`.
    public var title: String
    public var tags: [String]
    /// What the front matter says, or empty.
    public var type: String
    public var modified: Double
    /// In bytes.
    public var size: Int

    public init(path: String, title: String, tags: [String], type: String, modified: Double, size: Int) {
        self.path = path
        self.title = title
        self.tags = tags
        self.type = type
        self.modified = modified
        self.size = size
    }
}

/// `GET /api/vault/notes`
public struct NotesBody: Codable, Sendable, Equatable {
    public var notes: [NoteBody]
    /// What `cursor` is for the next page; nil when there is none.
    public var nextCursor: String?

    public init(notes: [NoteBody], nextCursor: String?) {
        self.notes = notes
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case notes
        case nextCursor = "next_cursor"
    }
}

/// `GET /api/vault/notes/{path}`
public struct NoteContentBody: Codable, Sendable, Equatable {
    public var path: String
    public var content: String
    public var frontmatter: [String: JSONValue]
    /// The content without front matter and white space around it.
    public var body: String
    /// Targets of wikilinks in order, repeats and anchors included.
    public var links: [String]
    public var modified: Double
    /// What the header `ETag` says.
    public var etag: String

    public init(
        path: String, content: String, frontmatter: [String: JSONValue], body: String, links: [String],
        modified: Double, etag: String
    ) {
        self.path = path
        self.content = content
        self.frontmatter = frontmatter
        self.body = body
        self.links = links
        self.modified = modified
        self.etag = etag
    }
}

/// The body of `PUT /api/vault/notes/{path}`.
public struct NoteWrite: Codable, Sendable, Equatable {
    /// Nil is an empty file.
    public var content: String?

    public init(content: String?) { self.content = content }
}

/// The answer to `PUT /api/vault/notes/{path}`.
public struct NoteWritten: Codable, Sendable, Equatable {
    public var ok: Bool
    public var path: String
    /// There was no file before.
    public var created: Bool
    public var etag: String

    public init(path: String, created: Bool, etag: String) {
        ok = true
        self.path = path
        self.created = created
        self.etag = etag
    }
}

/// The answer to `DELETE /api/vault/notes/{path}`.
public struct NoteDeleted: Codable, Sendable, Equatable {
    public var ok: Bool
    public var path: String

    public init(path: String) {
        ok = true
        self.path = path
    }
}

/// The body of `POST /api/vault/move`.
public struct NoteMove: Codable, Sendable, Equatable {
    public var from: String
    public var to: String

    public init(from: String, to: String) {
        self.from = from
        self.to = to
    }
}

/// The answer to `POST /api/vault/move`.
public struct NoteMoved: Codable, Sendable, Equatable {
    public var ok: Bool
    public var from: String
    public var to: String
    /// Notes whose links were rewritten, as they are called now.
    public var rewritten: [String]

    public init(from: String, to: String, rewritten: [String]) {
        ok = true
        self.from = from
        self.to = to
        self.rewritten = rewritten
    }
}

/// The answer to `POST /api/vault/reindex`.
public struct NotesReindexed: Codable, Sendable, Equatable {
    public var ok: Bool
    /// How many there are to read.
    public var notes: Int

    public init(notes: Int) {
        ok = true
        self.notes = notes
    }
}

/// `GET /api/vault/search`
public struct NoteSearchBody: Codable, Sendable, Equatable {
    public struct Result: Codable, Sendable, Equatable {
        public var path: String
        public var title: String
        public var tags: [String]
        /// Words around the best place in the text.
        public var snippet: String
        /// Higher is better; comparable within one search only.
        public var score: Double

        public init(path: String, title: String, tags: [String], snippet: String, score: Double) {
            self.path = path
            self.title = title
            self.tags = tags
            self.snippet = snippet
            self.score = score
        }
    }

    /// Best first.
    public var results: [Result]

    public init(results: [Result]) { self.results = results }
}

/// `GET /api/vault/graph`
public struct NoteGraphBody: Codable, Sendable, Equatable {
    public struct Node: Codable, Sendable, Equatable {
        /// The note's path.
        public var id: String
        public var label: String
        public var tags: [String]
        public var type: String

        public init(id: String, label: String, tags: [String], type: String) {
            self.id = id
            self.label = label
            self.tags = tags
            self.type = type
        }
    }

    public struct Edge: Codable, Sendable, Equatable {
        /// Paths of two notes.
        public var source: String
        public var target: String

        public init(source: String, target: String) {
            self.source = source
            self.target = target
        }
    }

    public var nodes: [Node]
    public var edges: [Edge]

    public init(nodes: [Node], edges: [Edge]) {
        self.nodes = nodes
        self.edges = edges
    }

    /// The same JSON as an encoder writes, many times as fast: a graph may have a hundred thousand small things.
    public func json() -> [UInt8] {
        var json: [UInt8] = []
        json.reserveCapacity(128 * (nodes.count + edges.count))
        func list<Item>(_ items: [Item], _ write: (Item) -> Void) {
            json.append(UInt8(ascii: "["))
            for (place, item) in items.enumerated() {
                if place > 0 { json.append(UInt8(ascii: ",")) }
                write(item)
            }
            json.append(UInt8(ascii: "]"))
        }
        json += #"{"edges":"#.utf8
        list(edges) { edge in
            json += #"{"source":"#.utf8
            Self.append(edge.source, to: &json)
            json += #","target":"#.utf8
            Self.append(edge.target, to: &json)
            json.append(UInt8(ascii: "}"))
        }
        json += #","nodes":"#.utf8
        list(nodes) { node in
            json += #"{"id":"#.utf8
            Self.append(node.id, to: &json)
            json += #","label":"#.utf8
            Self.append(node.label, to: &json)
            json += #","tags":"#.utf8
            list(node.tags) { Self.append($0, to: &json) }
            json += #","type":"#.utf8
            Self.append(node.type, to: &json)
            json.append(UInt8(ascii: "}"))
        }
        json.append(UInt8(ascii: "}"))
        return json
    }

    private static func append(_ text: String, to json: inout [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        json.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): json += [UInt8(ascii: "\\"), byte]
            case 0..<0x20: json += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: json.append(byte)
            }
        }
        json.append(UInt8(ascii: "\""))
    }
}

/// `GET /api/vault/backlinks`
public struct BacklinksBody: Codable, Sendable, Equatable {
    public var path: String
    /// The notes that link to it.
    public var backlinks: [NoteBody]
    /// What `cursor` is for the next page; nil when there is none.
    public var nextCursor: String?

    public init(path: String, backlinks: [NoteBody], nextCursor: String? = nil) {
        self.path = path
        self.backlinks = backlinks
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case path, backlinks
        case nextCursor = "next_cursor"
    }
}

/// `GET /api/vault/tags`
public struct NoteTagsBody: Codable, Sendable, Equatable {
    public struct Tag: Codable, Sendable, Equatable {
        /// Without `#`.
        public var tag: String
        /// Notes that have it.
        public var count: Int

        public init(tag: String, count: Int) {
            self.tag = tag
            self.count = count
        }
    }

    /// The most used first.
    public var tags: [Tag]
    /// What `cursor` is for the next page; nil when there is none.
    public var nextCursor: String?

    public init(tags: [Tag], nextCursor: String? = nil) {
        self.tags = tags
        self.nextCursor = nextCursor
    }

    private enum CodingKeys: String, CodingKey {
        case tags
        case nextCursor = "next_cursor"
    }
}
