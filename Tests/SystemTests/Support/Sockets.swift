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

/// Ports on which nobody listens at this moment.
func freeUDPPorts(_ count: Int) throws -> [Int] {
    var descriptors: [Int32] = []
    defer { for descriptor in descriptors { close(descriptor) } }
    return try (0..<count).map { _ in
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        descriptors.append(descriptor)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 && getsockname(descriptor, address, &length) == 0
            }
        }
        guard isBound else { throw POSIXError(.EADDRNOTAVAIL) }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}
