import Foundation

// What does the kernel say about a process' sockets?

/// TCP sockets in state LISTEN that belong to `pid`, as the kernel writes them.
func listeningTCPSockets(of pid: Int32) throws -> [String] {
    let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd")
    let inodes = Set(
        descriptors.compactMap { descriptor -> String? in
            let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/\(descriptor)")
            guard let target, target.hasPrefix("socket:[") else { return nil }
            return String(target.dropFirst("socket:[".count).dropLast())
        })
    return try ["tcp", "tcp6"].flatMap { table in
        try String(contentsOfFile: "/proc/\(pid)/net/\(table)", encoding: .utf8)
            .split(separator: "\n").dropFirst()
            .filter { row in
                let fields = row.split(separator: " ")
                return fields.count > 9 && fields[3] == "0A" && inodes.contains(String(fields[9]))
            }
            .map(String.init)
    }
}

/// UDP sockets that belong to `pid`.
func udpSocketCount(of pid: Int32) throws -> Int {
    let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd")
    let inodes = Set(
        descriptors.compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/\($0)") })
    return try ["udp", "udp6"].reduce(0) { count, table in
        try count
            + String(contentsOfFile: "/proc/\(pid)/net/\(table)", encoding: .utf8).split(separator: "\n").dropFirst()
            .filter { inodes.contains("socket:[\($0.split(separator: " ")[9])]") }.count
    }
}
