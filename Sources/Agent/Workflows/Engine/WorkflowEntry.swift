internal import JSON

// What is recorded of a run? That a block began, that what it does has gone out, and how it ended, each once and in the order in which
// it happened. Whoever reads the entries again knows everything that the run knew.

/// A node at one of the times that it runs.
struct WorkflowStep: Hashable, Sendable {
    var node: Int
    /// Numbers of the loops' iterations that it runs in, from the outermost.
    var path: [Int] = []
}

/// A line of a run's journal.
struct WorkflowEntry: Sendable, Equatable, Codable {
    enum Kind: String, Sendable, Codable {
        /// `value`: what it does, filled in.
        case begun
        /// What it does may have happened from here on.
        case calling
        /// A loop: `value` is its items.
        case opened
        /// `value`: its output; `handle`: the way that is taken, where there are several.
        case finished
        /// `error`
        case failed
    }

    var kind: Kind
    var node: Int
    var path: [Int]
    /// Unix seconds.
    var at: Double
    var value: JSONValue?
    var input: JSONValue?
    var handle: String?
    var error: String?

    var step: WorkflowStep { WorkflowStep(node: node, path: path) }

    init(
        _ kind: Kind, _ step: WorkflowStep, at: Double, value: JSONValue? = nil, input: JSONValue? = nil,
        handle: String? = nil, error: String? = nil
    ) {
        self.kind = kind
        node = step.node
        path = step.path
        self.at = at
        self.value = value
        self.input = input
        self.handle = handle
        self.error = error
    }

    private enum CodingKeys: String, CodingKey {
        case at, value, input, handle, error
        case kind = "k"
        case node = "n"
        case path = "p"
    }
}
