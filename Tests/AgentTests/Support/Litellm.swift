import Foundation
import Glibc
import Testing

@testable import Agent

/// LiteLLM's proxy on this machine: somebody else's idea of the protocols.
struct Litellm: Sendable {
    let address: String
    static let key = "sk-litellm-canary-0123456789"

    /// Runs the proxy while `body` does.
    ///
    /// - Parameter models: of `model_list`, as YAML.
    static func run(_ models: String, _ body: @escaping @Sendable (Litellm) async throws -> Void) async throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().path
        let program = root + "/.build/peers/bin/litellm"
        try #require(access(program, X_OK) == 0, "LiteLLM is missing: run scripts/install-peers")
        let folder = NSTemporaryDirectory() + "litellm-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let configuration = """
            model_list:
            \(models)
            general_settings: {master_key: \(key)}
            router_settings: {num_retries: 0}
            """
        try configuration.write(toFile: folder + "/config.yaml", atomically: true, encoding: .utf8)
        let port = try freePort()
        var command = Command(
            [program, "--config", folder + "/config.yaml", "--host", "127.0.0.1", "--port", "\(port)"],
            setting: "litellm")
        // It looks for nothing outside of this machine.
        command.environment = [
            "LITELLM_LOCAL_MODEL_COST_MAP": "True", "DISABLE_ADMIN_UI": "True", "HOME": folder, "NO_PROXY": "127.0.0.1",
        ]
        command.folder = folder
        command.outputLimit = 64 << 20
        let proxy = Litellm(address: "http://127.0.0.1:\(port)")
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask { [command] in
                try await command.run { _ in }
                return false
            }
            group.addTask {
                try await soon(90, "LiteLLM to be ready") { try await proxy.ready() }
                try await body(proxy)
                return true
            }
            defer { group.cancelAll() }
            let isDone = try await group.next()
            #expect(isDone == true, "LiteLLM ended by itself")
        }
    }

    private func ready() async throws {
        while true {
            let answer = try? await NetworkHTTP().send(OutboundRequest(url: address + "/health/readiness"))
            if answer?.status == 200 { return }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// One that nobody has now.
    private static func freePort() throws -> UInt16 {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(socket, pointer, length) == 0 && getsockname(socket, pointer, &length) == 0
            }
        }
        try #require(bound)
        return UInt16(bigEndian: address.sin_port)
    }
}
