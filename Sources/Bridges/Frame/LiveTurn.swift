internal import Wire

// What can be seen of an answer while it is written? The end of its text so far and what its tools do, within the length of one message.
// Kept small: of a long text only the part that is shown. Pure; when it is shown is for others to decide.

struct LiveTurn {
    /// How much is shown.
    enum Style: Equatable {
        /// One message that is edited.
        case message
        /// Now and then a message about a tool.
        case notes
        /// Only that something is being written.
        case typing
    }

    private struct Step {
        var call: String
        var tool: String
        var line: String
        var isRunning: Bool
    }

    let id: String
    let session: String
    let anchor: String?
    let style: Style
    private var steps: [Step] = []
    private var text = ""
    /// Something is to be shown that was not.
    private(set) var isChanged = false
    /// Since when there is something to show.
    private(set) var since: ContinuousClock.Instant?
    var lastShown: ContinuousClock.Instant?
    /// The platform's id of the message.
    var draft: String?
    /// Its user is asked something.
    var isWaiting = false
    /// Nothing more is shown.
    var isGivenUp = false

    init(id: String, session: String, anchor: String?, style: Style) {
        self.id = id
        self.session = session
        self.anchor = anchor
        self.style = style
    }

    /// - Returns: whether there is now something to show, where there was nothing new before.
    mutating func add(delta: String, limit: Int, at now: ContinuousClock.Instant) -> Bool {
        guard style == .message, !delta.isEmpty else { return false }
        text += delta
        // More than this is never shown. Looked at seldom, since it looks at all of it.
        if text.utf8.count > 16 * limit { text = String(text.suffix(2 * limit)) }
        return text.allSatisfy(\.isWhitespace) ? false : change(now)
    }

    /// - Returns: as ``add(delta:limit:at:)``.
    mutating func add(status: String, at now: ContinuousClock.Instant) -> Bool {
        guard style != .typing, let step = ToolStep(status: status) else { return false }
        let call = step.call ?? step.tool
        let name = String(step.tool.prefix(64))
        if step.phase == .running {
            steps.append(Step(call: call, tool: name, line: Words.running(name), isRunning: true))
            if steps.count > Self.shownSteps { steps.removeFirst() }
            return change(now)
        }
        guard let index = steps.lastIndex(where: { $0.call == call }) else { return false }
        steps[index].isRunning = false
        if case .failed = step.phase {
            steps[index].line = Words.failed(name)
        } else {
            steps[index].line = Words.done(name)
        }
        // Where nothing can be taken back, ends are not told.
        return style == .message ? change(now) : false
    }

    private static let shownSteps = 5

    private mutating func change(_ now: ContinuousClock.Instant) -> Bool {
        if since == nil { since = now }
        defer { isChanged = true }
        return !isChanged
    }

    /// What is to be shown now, which counts as shown by that.
    mutating func show(limit: Int, unit: PlatformLimits.Unit) -> String {
        isChanged = false
        switch style {
        case .typing: return ""
        case .notes: return steps.last?.line ?? ""
        case .message:
            guard !text.isEmpty else { return steps.map(\.line).joined(separator: "\n") }
            let running = steps.filter(\.isRunning).map(\.line)
            let end = running.isEmpty ? "" : "\n\n" + running.joined(separator: "\n")
            return Self.tail(text, limit - unit.count(end), unit) + end
        }
    }

    /// It could not be shown: tried again.
    mutating func showAgain() { isChanged = true }

    /// The last part that fits.
    static func tail(_ text: String, _ limit: Int, _ unit: PlatformLimits.Unit) -> String {
        guard unit.count(text) > limit else { return text }
        var (length, start) = (1, text.endIndex)
        while start > text.startIndex {
            let before = text.index(before: start)
            length += unit.count(text[before..<start])
            guard length <= limit else { break }
            start = before
        }
        return "…" + text[start...]
    }
}

extension PlatformLimits.Unit {
    func count(_ text: some StringProtocol) -> Int {
        switch self {
        case .utf16: text.utf16.count
        case .scalars: text.unicodeScalars.count
        }
    }
}
