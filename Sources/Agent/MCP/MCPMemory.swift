internal import Foundation
internal import Glibc

// How much memory does a program take with all that it has started? Asked of /proc, without what is shared with others. A program that
// leaves its session is counted no more.

enum MCPMemory {
    /// Bytes that the processes of a session keep for themselves; 0 when it is gone.
    static func ofSession(_ session: Int32) -> Int {
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        let own = processes.lazy.compactMap { Int32($0) }.filter { getsid($0) == session }
        return own.reduce(0) { $0 + pages($1) } * Int(sysconf(Int32(_SC_PAGESIZE)))
    }

    /// Pages in memory are the second number of the file, those of files and shared ones the third.
    private static func pages(_ process: Int32) -> Int {
        guard let data = FileManager.default.contents(atPath: "/proc/\(process)/statm") else { return 0 }
        let numbers = String(decoding: data, as: UTF8.self).split(separator: " ").compactMap { Int($0) }
        return numbers.count > 2 ? max(0, numbers[1] - numbers[2]) : 0
    }
}
