internal import Foundation
internal import JSON
internal import Logging
internal import Store

// How does a run get from its journal to its end? One task owns the machine: it lets ready blocks that only reckon do so at once, records
// what the others are about to do, lets them act beside each other and records how each ended. Nothing acts before it is on disk that it
// will; what had begun when a process died is done again only if that changes nothing.

/// Takes one run to its end.
struct WorkflowDrive: Sendable {
    enum Ending: Sendable {
        case over(WorkflowEndRecord)
        /// It was cancelled; the trace so far.
        case cancelled(trace: String)
        /// It can be taken up again by the next process.
        case broken(any Error)
    }

    let run: WorkflowRunRecord
    let start: WorkflowStartRecord
    let repository: WorkflowRepository
    let means: WorkflowMeans
    let limits: WorkflowLimits
    let slots: BlockSlots
    let time: TimeSource

    /// Runs, or goes on with what an earlier process left.
    func go() async -> Ending {
        do {
            var progress = try await taken()
            return await progress.go()
        } catch {
            // Reading ends with the task as well.
            return Task.isCancelled ? .cancelled(trace: "[]") : .broken(error)
        }
    }

    private func taken() async throws -> WorkflowProgress {
        let graph = try JSONDecoder().decode(WorkflowGraph.self, from: Data(start.graph.utf8))
        let inputs = try JSONDecoder().decode(JSONValue.self, from: Data(run.inputs.utf8))
        let plan = WorkflowPlan(graph)
        let kind = WorkflowTrigger.Kind(rawValue: run.trigger) ?? .manual
        let trigger = WorkflowTrigger(kind, node: start.nodeID)
        let lines = try await repository.entries(of: run.id)
        let decoder = JSONDecoder()
        let entries = try lines.map { try decoder.decode(WorkflowEntry.self, from: Data($0.utf8)) }
        return WorkflowProgress(
            drive: self,
            machine: WorkflowMachine(
                plan, inputs: inputs, startingAt: try trigger.starts(in: plan, named: run.workflowID)),
            inputs: inputs, entries: entries, size: lines.reduce(0) { $0 + $1.utf8.count })
    }
}

/// A run on its way. One task has it.
struct WorkflowProgress {
    private enum Event: Sendable {
        case ended(WorkflowStep, Result<JSONValue, BlockFailure>)
        /// The block was cancelled with the run.
        case dropped(any Error)
        case outOfTime
    }

    private struct Launch {
        var step: WorkflowStep
        var wish: BlockWish
        var began: Double
    }

    private let drive: WorkflowDrive
    private var machine: WorkflowMachine
    private let inputs: JSONValue
    private var entries: [WorkflowEntry]
    /// What is on disk of them.
    private var written: Int
    /// UTF-8 bytes of the journal.
    private var size: Int
    /// Ready, and behind others that act.
    private var waiting: [WorkflowStep] = []
    private var acting = 0

    init(drive: WorkflowDrive, machine: WorkflowMachine, inputs: JSONValue, entries: [WorkflowEntry], size: Int) {
        self.drive = drive
        self.machine = machine
        self.inputs = inputs
        self.entries = entries
        self.size = size
        written = entries.count
        for entry in entries { self.machine.apply(entry) }
    }

    // MARK: The loop

    mutating func go() async -> WorkflowDrive.Ending {
        let (drive, left) = (drive, max(0, drive.run.startedAt + drive.limits.runTime / .seconds(1) - drive.time.now()))
        return await withTaskGroup(of: Event.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                do { try await drive.time.sleep(.seconds(left)) } catch { return .dropped(error) }
                return .outOfTime
            }
            do {
                while true {
                    let launches = try await advance()
                    guard !machine.isOver else { return over(nil) }
                    try await write()
                    for launch in launches {
                        let act = act(launch)
                        group.addTask { await act() }
                    }
                    switch await group.next() {
                    case .ended(let step, let result)?: try end(step, result)
                    case .outOfTime?: return over("it took longer than a run may")
                    case .dropped(let error)?: throw error
                    case nil: throw CancellationError()
                    }
                }
            } catch is CancellationError {
                return .cancelled(trace: trace(.failed))
            } catch let error as JournalFull {
                return over("it became too large: \(error.description)")
            } catch {
                return Task.isCancelled ? .cancelled(trace: trace(.failed)) : .broken(error)
            }
        }
    }

    private struct JournalFull: Error { var description: String }

    private func over(_ reason: String?) -> WorkflowDrive.Ending {
        let now = drive.time.now()
        var error = reason
        if let failure = machine.failure, error == nil {
            error = "node \"\(machine.plan.nodes[failure.node].id)\": \(failure.error)"
        }
        return .over(
            WorkflowEndRecord(
                status: error == nil ? .success : .failed, finishedAt: now,
                outputs: error == nil ? TemplateText.json(machine.result) : "{}",
                error: error.map(WorkflowTrace.plain), trace: trace(error == nil ? .success : .failed)))
    }

    private func trace(_ status: WorkflowRunRecord.Status) -> String {
        TemplateText.json(
            WorkflowTrace.trace(
                machine.plan, entries, isOver: status == .success, stopped: status == .success ? nil : "the run ended",
                limits: drive.limits))
    }

    // MARK: Recording

    private mutating func record(_ entry: WorkflowEntry) throws {
        entries.append(entry)
        guard entries.count <= drive.limits.journalLength else {
            throw JournalFull(description: "more than \(drive.limits.journalLength) lines")
        }
        machine.apply(entry)
    }

    /// Puts on disk what is not there yet.
    private mutating func write() async throws {
        guard written < entries.count else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        var lines: [String] = []
        for entry in entries[written...] {
            let line = String(decoding: try encoder.encode(entry), as: UTF8.self)
            size += line.utf8.count
            lines.append(line)
        }
        guard size <= drive.limits.journalSize else {
            throw JournalFull(description: "more than \(drive.limits.journalSize >> 20) MiB")
        }
        try await drive.repository.append(lines, to: drive.run.id)
        written = entries.count
    }

    // MARK: Blocks

    /// Lets everything happen that needs nobody else.
    ///
    /// - Returns: what is to act, when what was recorded is on disk.
    private mutating func advance() async throws -> [Launch] {
        var launches: [Launch] = []
        while !machine.isOver {
            try Task.checkCancellation()
            // Others have their turn, and a crash costs little.
            if entries.count - written >= 500 { try await write() }
            if acting < drive.limits.blocksPerRun, !waiting.isEmpty {
                if let launch = try await launch(waiting.removeFirst()) { launches.append(launch) }
                continue
            }
            guard let action = machine.next() else { break }
            switch action {
            case .close(let step, let output):
                try finish(step, output, input: nil)
            case .run(let step) where BlockWish.isWish(machine.plan.nodes[step.node].type):
                if acting < drive.limits.blocksPerRun || machine.plan.nodes[step.node].type == "wait" {
                    if let launch = try await launch(step) { launches.append(launch) }
                } else {
                    waiting.append(step)
                }
            case .run(let step): try reckon(step)
            }
        }
        return launches
    }

    private func evaluation(_ node: Int) -> TemplateEvaluation {
        var scope = TemplateScope()
        scope.inputs = inputs
        scope.variables = machine.variables(at: node)
        let (plan, outputs) = (machine.plan, machine.outputs)
        scope.node = { id in plan.place(of: id).flatMap { outputs[$0] }.map { .object(["output": $0]) } }
        scope.nodes = { outputs.keys.sorted().map { plan.nodes[$0].id } }
        scope.now = PureBlocks.iso(drive.time.now())
        scope.runID = drive.run.id
        return TemplateEvaluation(scope)
    }

    private mutating func reckon(_ step: WorkflowStep) throws {
        let node = machine.plan.nodes[step.node]
        let (input, now) = (machine.input(step.node), drive.time.now())
        var evaluation = evaluation(step.node)
        let outcome: BlockOutcome
        do throws(TemplateError) {
            outcome = try PureBlocks.run(node, input, machine.incoming(step.node).map(\.value), at: now, &evaluation)
        } catch {
            return try record(WorkflowEntry(.failed, step, at: now, input: input, error: error.description))
        }
        guard let items = outcome.items else {
            return try finish(step, outcome.output, input: input, handle: outcome.handle)
        }
        try record(WorkflowEntry(.opened, step, at: now, value: .array(items), input: input))
    }

    private mutating func finish(
        _ step: WorkflowStep, _ output: JSONValue, input: JSONValue?, handle: String? = nil
    ) throws {
        let now = drive.time.now()
        guard WorkflowTrace.isWithin(drive.limits.outputSize, output) else {
            let error = "its output is larger than \(drive.limits.outputSize >> 10) KiB"
            return try record(WorkflowEntry(.failed, step, at: now, input: input, error: error))
        }
        try record(WorkflowEntry(.finished, step, at: now, value: output, input: input, handle: handle))
    }

    /// Records what a block is about to do; or what became of it when an earlier process had begun it.
    private mutating func launch(_ step: WorkflowStep) async throws -> Launch? {
        let node = machine.plan.nodes[step.node]
        let now = drive.time.now()
        if let begun = machine.begun[step], case .object(let config)? = begun.value {
            return try await resume(step, begun, config)
        }
        var evaluation = evaluation(step.node)
        do {
            var config: [String: JSONValue] = [:]
            for (name, value) in node.config {
                do throws(TemplateError) { config[name] = try evaluation.fill(value) } catch {
                    throw BlockFailure("config.\(name): \(error)")
                }
            }
            let wish = try BlockWish(node.type, config, now: now)
            if case .wait(let end) = wish { config["until"] = .number(end) }
            guard WorkflowTrace.isWithin(drive.limits.outputSize, .object(config)) else {
                throw BlockFailure("what it is to do is larger than \(drive.limits.outputSize >> 10) KiB")
            }
            try record(WorkflowEntry(.begun, step, at: now, value: .object(config)))
            if !wish.waitsForTime { acting += 1 }
            return Launch(step: step, wish: wish, began: now)
        } catch let failure as BlockFailure {
            try record(WorkflowEntry(.failed, step, at: now, error: failure.description))
            return nil
        }
    }

    private mutating func resume(
        _ step: WorkflowStep, _ begun: WorkflowEntry, _ config: [String: JSONValue]
    ) async throws -> Launch? {
        var wish = try BlockWish(machine.plan.nodes[step.node].type, config, now: begun.at)
        if case .wait = wish, let end = config["until"].flatMap(TemplateArithmetic.number) { wish = .wait(until: end) }
        var isHarmless = wish.isHarmless
        if case .tool(let server, let tool, _) = wish {
            // A tool that was not let in yet has not run.
            if machine.calling.contains(step) {
                isHarmless = await acts.isQuery(server, tool)
            } else {
                isHarmless = true
            }
        }
        guard isHarmless else {
            let error = "its outcome is unknown: the agent ended while it ran, and it is not run a second time"
            try record(WorkflowEntry(.failed, step, at: drive.time.now(), error: error))
            return nil
        }
        if !wish.waitsForTime { acting += 1 }
        return Launch(step: step, wish: wish, began: begun.at)
    }

    private var acts: BlockActs {
        BlockActs(means: drive.means, start: drive.start, limits: drive.limits, time: drive.time)
    }

    private func act(_ launch: Launch) -> @Sendable () async -> Event {
        let (drive, acts, node) = (drive, acts, machine.plan.nodes[launch.step.node].id)
        let willRun: @Sendable () async throws -> Void = {
            let entry = WorkflowEntry(.calling, launch.step, at: drive.time.now())
            let line = String(decoding: try JSONEncoder().encode(entry), as: UTF8.self)
            try await drive.repository.append([line], to: drive.run.id)
        }
        let perform: @Sendable () async throws -> JSONValue = {
            try await acts.perform(launch.wish, launch.step, node: node, began: launch.began, willRun: willRun)
        }
        return {
            do {
                let output =
                    launch.wish.waitsForTime ? try await perform() : try await drive.slots.with { try await perform() }
                return .ended(launch.step, .success(output))
            } catch let failure as BlockFailure {
                return .ended(launch.step, .failure(failure))
            } catch let error as WorkflowJournalError {
                return .dropped(error)
            } catch {
                if Task.isCancelled { return .dropped(CancellationError()) }
                // Somebody stopped what the block asked for, and not the run.
                let reason = error is CancellationError ? "it was stopped" : "\(error)"
                return .ended(launch.step, .failure(BlockFailure(reason)))
            }
        }
    }

    private mutating func end(_ step: WorkflowStep, _ result: Result<JSONValue, BlockFailure>) throws {
        if machine.plan.nodes[step.node].type != "wait" { acting -= 1 }
        switch result {
        case .success(let output): try finish(step, output, input: nil)
        case .failure(let failure):
            try record(
                WorkflowEntry(
                    .failed, step, at: drive.time.now(),
                    error: WorkflowTrace.plain(String(failure.description.prefix(8_192)))))
        }
    }
}
