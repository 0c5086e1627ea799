import Foundation
import Synchronization
import Testing

// A real process of a system test: started, watched line by line, signalled by its own id, always reaped.

/// A running program whose output lines can be awaited.
final class Program: Sendable {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// Text that arrives in pieces, as the lines that are complete.
    private struct Lines {
        var complete: [String] = []
        private var partial = Data()

        /// What was printed behind the last newline.
        var rest: String { String(decoding: partial, as: UTF8.self) }

        /// Also what is not a line yet.
        func contain(_ text: String) -> Bool {
            complete.contains { $0.contains(text) } || rest.contains(text)
        }

        /// No data means the end.
        mutating func receive(_ data: Data) {
            partial += data
            while let end = partial.firstIndex(of: UInt8(ascii: "\n")) {
                complete.append(String(decoding: partial[partial.startIndex..<end], as: UTF8.self))
                partial = Data(partial[partial.index(after: end)...])
            }
            if data.isEmpty, !partial.isEmpty {
                complete.append(String(decoding: partial, as: UTF8.self))
                partial = Data()
            }
        }
    }

    private struct State {
        var output = Lines()
        var errors = Lines()
        var status: Int32?
        /// Standard output and standard error that have not ended.
        var openOutputs = 2
        var inputIsOpen = true
        var waiters: [UUID: CheckedContinuation<Void, Never>] = [:]
    }

    let pid: Int32
    private let name: String
    private let process: SpawnedProcess
    private let state = Mutex(State())

    /// Starts `executable` with nothing in its environment but what is given and a PATH.
    init(
        _ executable: String, _ arguments: [String], environment: [String: String] = [:], directory: URL? = nil
    ) throws {
        name = ([URL(fileURLWithPath: executable).lastPathComponent] + arguments).joined(separator: " ")
        process = try SpawnedProcess(
            executable, arguments,
            environment: ["PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8"]
                .merging(environment) { $1 },
            directory: directory?.path)
        pid = process.pid
        readToEnd(process.standardOutput) { [weak self] data in
            self?.change { state in
                state.output.receive(data)
                if data.isEmpty { state.openOutputs -= 1 }
            }
        }
        readToEnd(process.standardError) { [weak self] data in
            self?.change { state in
                state.errors.receive(data)
                if data.isEmpty { state.openOutputs -= 1 }
            }
        }
        reap(pid) { [weak self] status in self?.change { $0.status = status } }
    }

    deinit {
        if state.withLock({ $0.status == nil }) { kill(pid, SIGKILL) }
        closeInput()
    }

    var output: String { state.withLock { $0.output.complete.joined(separator: "\n") } }
    var errors: String { state.withLock { $0.errors.complete.joined(separator: "\n") } }

    func signal(_ number: Int32) { kill(pid, number) }

    func type(_ text: String) throws {
        let data = Array(text.utf8)
        guard write(process.standardInput, data, data.count) == data.count else {
            throw Failure(description: "\(name) takes no input")
        }
    }

    func closeInput() {
        let isOpen = state.withLock { state in
            defer { state.inputIsOpen = false }
            return state.inputIsOpen
        }
        if isOpen { close(process.standardInput) }
    }

    /// The first line of output or of errors that `matches`, from the beginning.
    @discardableResult
    func line(
        within seconds: Double = 20, where matches: @escaping @Sendable (String) -> Bool
    ) async throws -> String {
        try await value(within: seconds, of: "such line") { state in
            state.output.complete.first(where: matches) ?? state.errors.complete.first(where: matches)
        }
    }

    /// Waits until the last line of output, which goes on, holds `prompt`.
    func prompt(_ prompt: String, within seconds: Double = 20) async throws {
        _ = try await value(within: seconds, of: "prompt") { $0.output.rest.contains(prompt) ? true : nil }
    }

    /// Waits until `text` was printed, as part of a line that may go on.
    func text(_ text: String, within seconds: Double = 20) async throws {
        _ = try await value(within: seconds, of: "'\(text)'") { state in
            state.output.contain(text) || state.errors.contain(text) ? true : nil
        }
    }

    /// Waits until `count` lines of output hold `text`.
    func lines(_ count: Int, containing text: String, within seconds: Double = 20) async throws {
        _ = try await value(within: seconds, of: "\(count) lines with '\(text)'") { state in
            state.output.complete.filter { $0.contains(text) }.count >= count ? true : nil
        }
    }

    func line(containing text: String, within seconds: Double = 20) async throws {
        try await line(within: seconds) { $0.contains(text) }
    }

    /// The exit status, once all that was written has been read; a signal's number is negative.
    @discardableResult
    func exit(within seconds: Double = 20) async throws -> Int32 {
        try await value(within: seconds, of: "end") { $0.openOutputs == 0 ? $0.status : nil }
    }

    private func change(_ body: (inout State) -> Void) {
        let waiters = state.withLock { state in
            body(&state)
            defer { state.waiters = [:] }
            return state.waiters.values.map { $0 }
        }
        for waiter in waiters { waiter.resume() }
    }

    private func value<Value: Sendable>(
        within seconds: Double, of what: String, _ find: @escaping @Sendable (State) -> Value?
    ) async throws -> Value {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            let id = UUID()
            let timer = Task {
                try? await Task.sleep(until: deadline)
                self.state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
            }
            defer { timer.cancel() }
            if let found = state.withLock({ find($0) }) { return found }
            if ContinuousClock.now >= deadline {
                throw Failure(
                    description: "\(name): no \(what) in \(seconds) s; output: \(output.suffix(4000)); "
                        + "errors: \(errors.suffix(4000))")
            }
            await withCheckedContinuation { (waiter: CheckedContinuation<Void, Never>) in
                let already = state.withLock { state in
                    if find(state) != nil || ContinuousClock.now >= deadline { return true }
                    state.waiters[id] = waiter
                    return false
                }
                if already { waiter.resume() }
            }
        }
    }
}
