internal import Synchronization

// Which commands run in the background, and whose are they? Each belongs to a session, and all of them to the service that runs here:
// when it ends, so do they.

/// The commands that run in the background.
actor ShellJobs {
    /// One of them.
    struct Job: Sendable {
        var id: String
        var session: String
        var description: String
        /// Unix seconds.
        var startedAt: Double
        var run: ShellRun
        var input: AsyncStream<[UInt8]>.Continuation
        /// Nil while it runs.
        var end: ShellRun.End?
    }

    static let mostRunning = 32
    static let mostRunningOfSession = 8
    /// Pieces of input that wait until a command reads them.
    private static let mostUnread = 16
    /// Of a session's that have ended, so many are remembered.
    private static let mostEnded = 16

    private var jobs: [String: Job] = [:]
    /// Who waits beside a command for the word to stop.
    private var stopping: [String: CheckedContinuation<Void, Never>] = [:]
    /// Which commands are to stop.
    private var stops: Set<String> = []
    /// Who waits for the end of what.
    private var ended: [String: [CheckedContinuation<Void, Never>]] = [:]
    private let starts: AsyncStream<String>
    private let starting: AsyncStream<String>.Continuation
    /// Somebody runs what is started.
    private(set) var isServing = false
    private let makeID: @Sendable () -> String

    init(makeID: @escaping @Sendable () -> String = ShellJobs.randomID) {
        self.makeID = makeID
        (starts, starting) = AsyncStream.makeStream(of: String.self)
    }

    static let randomID: @Sendable () -> String = {
        let digits = String(UInt32.random(in: 0..<0x100_0000), radix: 16)
        return "sh_" + String(repeating: "0", count: 6 - digits.utf8.count) + digits
    }

    /// Runs what is started until the task is cancelled; then everything ends.
    func run() async {
        isServing = true
        await withDiscardingTaskGroup { group in
            for await id in starts {
                guard let job = jobs[id], job.end == nil else { continue }
                group.addTask { await self.serve(job) }
            }
            group.cancelAll()
        }
        isServing = false
        // What was asked for and never began.
        for id in jobs.keys where jobs[id]?.end == nil { finish(id, .killed) }
    }

    /// - Throws: ``ToolRefusal``
    func start(_ words: [String], timeLimit: Duration?, description: String, session: String, at now: Double)
        throws(ToolRefusal) -> Job
    {
        guard isServing else { throw ToolRefusal("nothing runs in the background while the agent does not serve") }
        let running = jobs.values.filter { $0.end == nil }
        guard running.count < Self.mostRunning,
            running.count(where: { $0.session == session }) < Self.mostRunningOfSession
        else { throw ToolRefusal("too many commands run in the background: end one with shell_kill") }
        var id = makeID()
        while jobs[id] != nil { id = makeID() }
        let (input, continuation) = AsyncStream.makeStream(
            of: [UInt8].self, bufferingPolicy: .bufferingOldest(Self.mostUnread))
        let job = Job(
            id: id, session: session, description: description, startedAt: now,
            run: ShellRun(words: words, timeLimit: timeLimit, input: input), input: continuation)
        jobs[id] = job
        forgetOld(session)
        starting.yield(id)
        return job
    }

    /// - Throws: ``ToolRefusal`` when the session has none of this id.
    func job(_ id: String, of session: String) throws(ToolRefusal) -> Job {
        guard let job = jobs[id], job.session == session else {
            throw ToolRefusal("this session runs no command '\(id.prefix(32))'")
        }
        return job
    }

    /// A session's commands, the oldest first.
    func all(of session: String) -> [Job] {
        jobs.values.filter { $0.session == session }.sorted { ($0.startedAt, $0.id) < ($1.startedAt, $1.id) }
    }

    /// Ends a command and returns once it has ended.
    func kill(_ id: String, of session: String) async throws(ToolRefusal) -> Job {
        guard try job(id, of: session).end == nil else { return try job(id, of: session) }
        stop(id)
        while try job(id, of: session).end == nil {
            await withCheckedContinuation { ended[id, default: []].append($0) }
        }
        return try job(id, of: session)
    }

    // MARK: Running

    /// Runs a command beside somebody who waits for the word to stop it.
    private func serve(_ job: Job) async {
        let end = await withTaskGroup(of: ShellRun.End?.self) { group in
            group.addTask { await job.run.run() }
            group.addTask {
                await self.waitForStop(job.id)
                return nil
            }
            let first = await group.next() ?? nil
            stop(job.id)
            group.cancelAll()
            var end = first
            while let next = await group.next() { end = end ?? next }
            return end ?? .killed
        }
        finish(job.id, end)
    }

    private func finish(_ id: String, _ end: ShellRun.End) {
        jobs[id]?.input.finish()
        jobs[id]?.end = end
        for waiting in ended.removeValue(forKey: id) ?? [] { waiting.resume() }
    }

    /// Returns also when the command ends by itself, or is cancelled: whoever serves it says so then.
    private func waitForStop(_ id: String) async {
        guard !stops.contains(id) else { return }
        await withCheckedContinuation { stopping[id] = $0 }
    }

    private func stop(_ id: String) {
        stops.insert(id)
        stopping.removeValue(forKey: id)?.resume()
    }

    private func forgetOld(_ session: String) {
        let old = all(of: session).filter { $0.end != nil }.dropLast(Self.mostEnded)
        for job in old {
            jobs[job.id] = nil
            stops.remove(job.id)
        }
    }
}
