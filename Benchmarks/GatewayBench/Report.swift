internal import Foundation
internal import Glibc
internal import Synchronization

// How do the parties talk to whoever started them? A JSON object per line out, a command per line in.

enum Report {
    enum Value {
        case number(Double)
        case text(String)
        case numbers([Double])

        static func count(_ count: Int) -> Value { .number(Double(count)) }
        static func seconds(_ duration: Duration) -> Value { .number(duration / .seconds(1)) }

        fileprivate var json: Any {
            switch self {
            case .number(let number): number
            case .text(let text): text
            case .numbers(let numbers): numbers
            }
        }
    }

    private static let lines = Atomic(0)

    /// Writes a line, with its number in it.
    static func write(_ fields: [(String, Value)]) {
        let number = lines.wrappingAdd(1, ordering: .relaxed).newValue
        let object = Dictionary((fields + [("line", .count(number))]).map { ($0.0, $0.1.json) }) { $1 }
        guard let line = try? JSONSerialization.data(withJSONObject: object, options: [.sortedKeys]) else { return }
        // Past C's buffers: flushing those waits for whoever reads standard input.
        FileHandle.standardOutput.write(line + Data("\n".utf8))
    }
}

enum Commands {
    /// The lines of standard input, read on a thread of their own. Ends with it.
    static func read() -> AsyncStream<[String]> {
        let (commands, command) = AsyncStream.makeStream(of: [String].self)
        let thread = Thread {
            while let line = readLine() { command.yield(line.split(separator: " ").map(String.init)) }
            command.finish()
        }
        thread.start()
        return commands
    }

    /// Returns at the end of standard input.
    static func waitForEnd() async {
        for await _ in read() {}
    }
}

/// What this process has in memory.
enum Memory {
    /// Pages in RAM, in KiB.
    static var resident: Double {
        guard let statm = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
        let pages = statm.split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? 0
        return pages * Double(sysconf(Int32(_SC_PAGESIZE))) / 1_024
    }

    /// Gives what `free` has kept for later back to the system, so that ``resident`` is what is in use.
    static func trim() {
        typealias Trim = @convention(c) (Int) -> Int32
        // glibc's own, from a header that Swift does not import.
        guard let symbol = dlsym(nil, "malloc_trim") else { return }
        _ = unsafeBitCast(symbol, to: Trim.self)(0)
    }
}
