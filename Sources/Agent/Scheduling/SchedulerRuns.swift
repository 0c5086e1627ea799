internal import Logging
public import Store

// What is one run of a task? A turn whose message has the run's id: it is accepted once, however often it is asked for, so a run
// that a crash interrupted is asked for again and ends as it would have.
//
//     taken (a row: running) ──place free──▶ asked ──answer──▶ ended (the row: success, failed, cancelled)
//        │  └──stop──▶ ended: cancelled        │ └──stop──▶ ended: cancelled
//        └──the process ends──▶ (the row stays running, and is taken up at the next start) ◀──┘

extension Scheduler {
    /// The conversation in which a task runs.
    public static func session(of task: String) -> String { "scheduler:\(task)" }

    /// Tasks that run or wait for a place to run, by their ids.
    public var runningTasks: Set<String> { Set(open.keys) }

    /// Begins a run that somebody asked for.
    ///
    /// - Parameter task: an id.
    /// - Throws: ``PlanError``
    public func start(_ task: String) async throws -> TaskRunRecord {
        let run = TaskRunRecord(
            id: makeID(), taskID: task, trigger: "manual", status: "running", startedAt: time.now(),
            sessionID: Self.session(of: task))
        guard try await refusing({ try await tasks.begin(run) }) else { throw PlanError.notFound(task) }
        enqueue([.task(run: run.id, task: task)])
        return run
    }

    /// Stops a task's run, and returns when it has ended.
    ///
    /// - Returns: the id of the run; nil when there is none.
    public func stop(_ task: String) async -> String? {
        guard let run = halt(task) else { return nil }
        if withdraw(.task(run: run, task: task)) {
            await perform(run, of: task, until: AsyncStream { $0.finish() })
        } else {
            await wait(for: run, of: task)
        }
        return run
    }

    /// Suspends until a run has ended, or the waiting task is cancelled.
    public func wait(for run: String, of task: String) async {
        guard open[task]?.run == run else { return }
        let (ends, end) = AsyncStream.makeStream(of: Void.self)
        open[task]?.waiters.append(end)
        for await _ in ends {}
    }

    /// Runs of tasks that were removed are stopped.
    func stopRemoved() async throws {
        let before = open
        guard !before.isEmpty else { return }
        let kept = Set(try await tasks.openRuns().map(\.id))
        for (task, entry) in before where !kept.contains(entry.run) { _ = halt(task, of: entry.run) }
    }

    private func halt(_ task: String, of run: String? = nil) -> String? {
        guard let entry = open[task], run == nil || entry.run == run else { return nil }
        open[task]?.isStopped = true
        entry.stop?.yield()
        return entry.run
    }

    // MARK: Running

    func perform(_ id: String, of task: String, until stopped: AsyncStream<Void>) async {
        var run = TaskRunRecord(
            id: id, taskID: task, trigger: "", status: "failed", startedAt: 0, sessionID: Self.session(of: task))
        let answer: Result<UnattendedAnswer, any Error>
        do {
            guard let record = try await tasks.task(ofOpenRun: id) else { return close(task, of: id) }
            answer = open[task]?.isStopped ?? true ? .failure(CancellationError()) : await ask(record, id, stopped)
        } catch {
            answer = .failure(error)
        }
        let isStopped = open[task]?.isStopped ?? false
        switch answer {
        case .success(let answer):
            switch answer.ending {
            case .completed: run.status = "success"
            case .failed(let reason): run.error = reason
            case .cancelled:
                run.status = "cancelled"
                run.error = isStopped ? nil : "It was stopped."
            }
            run.output = answer.text.isEmpty ? nil : answer.text.cut(to: limits.output)
        case .failure(is CancellationError):
            // The process ends and nobody asked for the run to stop: it is taken up at the next start.
            guard isStopped else { return close(task, of: id) }
            run.status = "cancelled"
        case .failure(let error): run.error = "\(error)".cut(to: limits.output)
        }
        run.finishedAt = time.now()
        if run.status == "failed" {
            logger.warning(
                "scheduler::task_failed", metadata: ["task": "\(task)", "run": "\(id)", "reason": "\(run.error ?? "")"])
        }
        await record(run)
        close(task, of: id)
        ending.yield(task)
    }

    private nonisolated func ask(
        _ task: TaskRecord, _ run: String, _ stopped: AsyncStream<Void>
    ) async -> Result<UnattendedAnswer, any Error> {
        let turn = UnattendedTurn(
            messageID: run, sessionID: Self.session(of: task.id), handle: task.owner, text: task.prompt,
            model: task.model, forgets: true)
        return await withTaskGroup(of: Result<UnattendedAnswer, any Error>?.self) { [turns] group in
            group.addTask {
                do { return .success(try await turns.run(turn)) } catch { return .failure(error) }
            }
            group.addTask {
                for await _ in stopped { break }
                return nil
            }
            defer { group.cancelAll() }
            // Either the answer is there, or the wish to stop: then its last word is awaited.
            while let result = await group.next() {
                if let result { return result }
                group.cancelAll()
            }
            return .failure(CancellationError())
        }
    }

    /// Writes a run's end, again and again until it is written or the process ends.
    private func record(_ run: TaskRunRecord) async {
        var isLogged = false
        while true {
            do {
                _ = try await tasks.end(run, kept: limits.kept)
                return
            } catch {
                if !isLogged { logger.error("scheduler::not_recorded", metadata: ["error": "\(error)"]) }
                isLogged = true
                guard (try? await time.sleep(limits.sleep)) != nil else { return }
            }
        }
    }

    /// A run is over. The task's next one may have begun since that stands on disk: it stays.
    func close(_ task: String, of run: String) {
        guard open[task]?.run == run else { return }
        for waiter in open.removeValue(forKey: task)?.waiters ?? [] { waiter.finish() }
    }

    // MARK: Workflows

    func perform(_ firing: WorkflowFiring) async {
        guard let fire, let workflows else { return }
        do {
            try await fire(firing)
        } catch is CancellationError {
            // It is fired again at the next start.
            return
        } catch {
            logger.warning(
                "scheduler::workflow_failed",
                metadata: ["workflow": "\(firing.workflowID)", "reason": "\(error)"])
        }
        do { try await workflows.end(firing: firing.id) } catch {
            logger.error("scheduler::not_recorded", metadata: ["error": "\(error)"])
        }
    }
}
