internal import Foundation
internal import JSON

// What did each block of a run do? The journal as people read it: one entry for each time that a block ran, in the order in which they
// began, and one for each that was left out. Large values are cut, and nothing says what headers a request had.

enum WorkflowTrace {
    /// Entries that are kept of a long run: its beginning and its end.
    private static let mostEntries = 2_000

    private struct Line {
        var step: WorkflowStep
        var status: String
        var began: Double
        var ended: Double?
        var input: JSONValue = .null
        var output: JSONValue = .null
        var error: String?
    }

    /// - Parameters:
    ///   - isOver: the run has ended well, and what has not run was skipped.
    ///   - stopped: what became of blocks that had not ended when the run did; nil: they run.
    static func trace(
        _ plan: WorkflowPlan, _ entries: [WorkflowEntry], isOver: Bool, stopped: String?, limits: WorkflowLimits
    ) -> JSONValue {
        var lines: [Line] = []
        var places: [WorkflowStep: Int] = [:]
        for entry in entries where plan.nodes.indices.contains(entry.node) && entry.kind != .calling {
            let place = places[entry.step] ?? lines.count
            if place == lines.count {
                places[entry.step] = place
                lines.append(Line(step: entry.step, status: "running", began: entry.at))
            }
            if let input = entry.input { lines[place].input = input }
            switch entry.kind {
            case .begun: lines[place].input = shown(entry.value ?? .null)
            case .opened, .calling: break
            case .finished:
                lines[place].status = "success"
                lines[place].ended = entry.at
                lines[place].output = entry.value ?? .null
            case .failed:
                lines[place].status = "failed"
                lines[place].ended = entry.at
                lines[place].error = entry.error
            }
        }
        if let stopped {
            for place in lines.indices where lines[place].ended == nil {
                lines[place].status = "failed"
                lines[place].error = stopped
            }
        }
        if isOver {
            let ran = Set(lines.map(\.step.node))
            let time = lines.last.map { $0.ended ?? $0.began } ?? 0
            for node in plan.nodes.indices where !ran.contains(node) {
                lines.append(
                    Line(step: WorkflowStep(node: node), status: "skipped", began: time, ended: time))
            }
        }
        if lines.count > mostEntries {
            lines.removeSubrange(mostEntries / 2..<lines.count - mostEntries / 2)
        }
        let most = min(64 << 10, max(256, limits.traceSize / max(1, 2 * lines.count)))
        return .array(lines.map { json($0, plan, most) })
    }

    private static func json(_ line: Line, _ plan: WorkflowPlan, _ most: Int) -> JSONValue {
        var fields: [String: JSONValue] = [
            "node_id": .string(plan.nodes[line.step.node].id), "type": .string(plan.nodes[line.step.node].type),
            "started_at": .number(line.began), "status": .string(line.status), "input": cut(line.input, most),
            "output": cut(line.output, most),
        ]
        fields["finished_at"] = if let ended = line.ended { .number(ended) } else { JSONValue.null }
        fields["error"] = if let error = line.error { .string(String(error.prefix(most))) } else { JSONValue.null }
        if !line.step.path.isEmpty { fields["iteration"] = .array(line.step.path.map { .integer(Int64($0)) }) }
        return .object(fields)
    }

    /// What a block was about to do, without what may be secret.
    private static func shown(_ config: JSONValue) -> JSONValue {
        guard case .object(var fields) = config else { return config }
        fields["headers"] = nil
        return .object(fields)
    }

    private static func cut(_ value: JSONValue, _ most: Int) -> JSONValue {
        guard !isWithin(most, value) else { return value }
        let text = TemplateText.json(value)
        guard text.utf8.count > most else { return value }
        return .object([
            "truncated": .bool(true), "bytes": .integer(Int64(text.utf8.count)),
            "begins": .string(String(decoding: text.utf8.prefix(most), as: UTF8.self)),
        ])
    }

    /// A text as the database can hold it.
    static func plain(_ text: String) -> String { text.utf8.contains(0) ? text.replacing("\0", with: " ") : text }

    /// Whether a value takes no more than so many bytes, about as JSON counts them.
    static func isWithin(_ most: Int, _ value: JSONValue) -> Bool {
        var left = most
        return take(value, &left, 0)
    }

    private static func take(_ value: JSONValue, _ left: inout Int, _ depth: Int) -> Bool {
        // JSON that is nested deeper could be written, and not read again.
        guard depth < 256 else { return false }
        switch value {
        case .null, .bool: left -= 4
        case .integer, .number: left -= 8
        case .string(let text): left -= text.utf8.count + 2
        case .array(let items):
            left -= 2
            for item in items {
                left -= 1
                guard left >= 0, take(item, &left, depth + 1) else { return false }
            }
        case .object(let fields):
            left -= 2
            for (key, item) in fields {
                left -= key.utf8.count + 4
                guard left >= 0, take(item, &left, depth + 1) else { return false }
            }
        }
        return left >= 0
    }
}
