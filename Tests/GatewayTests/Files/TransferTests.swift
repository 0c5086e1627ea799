import Foundation
import NIOCore
import Synchronization
import Testing

@testable import Certs
@testable import Gateway
@testable import Transport
@testable import Wire

// Large files through the whole stack: the client's code over real QUIC connections to a gateway on 127.0.0.1, with streams
// that break when the test says so.

@Suite(.serialized) struct TransferTests {
    /// A file of bytes that no two pieces have in common.
    private func file(_ size: Int, in files: TestFiles) throws -> String {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        var words = [UInt64](repeating: 0, count: size / 8)
        for index in words.indices {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            words[index] = state
        }
        let path = files.directory.path + "/large.bin"
        try words.withUnsafeBytes { Data($0) }.write(to: URL(fileURLWithPath: path))
        return path
    }

    @Test("P-67: 64 MiB arrive as they were sent, in little memory")
    func aLargeFileArrivesAsItWasSent() async throws {
        let files = try TestFiles()
        let gateway = try QUICGateway(files: files)
        let path = try file(64 << 20, in: files)
        try await gateway.run { connection in
            let client = GatewayClient(dialer: Dialer(connection, gateway.certificate().wire))
            let upload = try FileUpload(path: path)
            let before = residentBytes()
            let progress = Mutex<[Int64]>([])
            let stored = try await client.upload(upload) { count in progress.withLock { $0.append(count) } }
            #expect(stored.sha256 == upload.sha256 && stored.size == 64 << 20)
            #expect(try FileReader.digest(of: stored.path) == upload.sha256)
            #expect(progress.withLock { $0.last } == 64 << 20)
            let digest = RunningDigest()
            let download = try await client.download(stored.id) { _ in
            } write: { bytes in
                bytes.withUnsafeReadableBytes { digest.update($0) }
            }
            #expect(download.filename == "large.bin" && digest.finish() == upload.sha256)
            // Both ends are in this process; a body that was gathered anywhere would show.
            let grown = residentBytes() - before
            #expect(grown < 48 << 20, "\(grown >> 20) MiB more")
            // The same file once more is not sent again.
            let again = try await client.upload(upload)
            #expect(again == stored)
            #expect(files.all == ["files/\(stored.id)/large.bin"])
        }
    }

    @Test("P-67: an upload goes on where a broken stream left it")
    func anUploadGoesOnWhereItBroke() async throws {
        let files = try TestFiles()
        let gateway = try QUICGateway(files: files)
        let path = try file(20 << 20, in: files)
        try await gateway.run { connection in
            let dialer = Dialer(connection, gateway.certificate().wire)
            let client = GatewayClient(dialer: dialer)
            let upload = try FileUpload(path: path)
            // A stream breaks once it has carried so much. Every second one asks how far the upload is.
            dialer.breakNext(after: [.max, 100 << 10, .max, 3 << 20, .max, 10])
            let stored = try await client.upload(upload, patience: .milliseconds(10))
            #expect(stored.sha256 == upload.sha256)
            #expect(try FileReader.digest(of: stored.path) == upload.sha256)
            #expect(dialer.broken == 3)
            #expect(files.all == ["files/\(stored.id)/large.bin"])
        }
    }

    @Test func anUploadThatIsGivenUpIsGoneOnWithLater() async throws {
        let files = try TestFiles()
        let gateway = try QUICGateway(files: files)
        let path = try file(12 << 20, in: files)
        try await gateway.run { connection in
            let dialer = Dialer(connection, gateway.certificate().wire)
            let client = GatewayClient(dialer: dialer)
            let upload = try FileUpload(path: path)
            struct Enough: Error {}
            let first = Task {
                try await client.upload(upload) { count in
                    if count >= 4 << 20 { withUnsafeCurrentTask { $0?.cancel() } }
                }
            }
            await #expect(throws: (any Error).self) { try await first.value }
            #expect(files.all.allSatisfy { $0.hasPrefix(".openagent/") } && files.all.count == 2)
            let starts = Mutex<[Int64]>([])
            let stored = try await client.upload(upload) { count in starts.withLock { $0.append(count) } }
            #expect((starts.withLock { $0.first } ?? 0) >= 4 << 20)
            #expect(stored.sha256 == upload.sha256)
        }
    }

    @Test func whatTheAgentRefusesIsToldAndNotTriedAgain() async throws {
        let files = try TestFiles(largest: 1 << 20)
        let gateway = try QUICGateway(files: files)
        let path = try file(2 << 20, in: files)
        try await gateway.run { connection in
            let dialer = Dialer(connection, gateway.certificate().wire)
            let client = GatewayClient(dialer: dialer)
            do {
                _ = try await client.upload(try FileUpload(path: path))
                Issue.record("a file that is too large was taken")
            } catch FileTransferError.refused(let status, _) {
                #expect(status == 413)
            }
            #expect(dialer.opened == 1)
            do {
                _ = try await client.download("nothing") { _ in
                } write: { _ in
                }
                Issue.record("a file that is not there came")
            } catch FileTransferError.refused(let status, _) {
                #expect(status == 404)
            }
        }
    }
}

/// Opens streams of one connection, and breaks those that it was told to.
private final class Dialer: GatewayDialer {
    private struct State {
        var limits: [Int] = []
        var broken = 0
        var opened = 0
    }

    private let pool: GatewayPool
    private let state = Mutex(State())

    init(_ connection: QUICGatewayConnection, _ certificate: [UInt8]) {
        pool = GatewayPool(agent: "ada", certificate: { certificate }, connect: { connection.connection })
    }

    var broken: Int { state.withLock { $0.broken } }
    var opened: Int { state.withLock { $0.opened } }
    func breakNext(after limits: [Int]) { state.withLock { $0.limits = limits } }

    func openStream<R: Sendable>(
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<R>
    ) async throws -> R {
        let limit: Int? = state.withLock { state in
            state.opened += 1
            return state.limits.isEmpty ? nil : state.limits.removeFirst()
        }
        return try await pool.openStream { channel in
            if let limit {
                let breaker = Breaker(limit) { self.state.withLock { $0.broken += 1 } }
                do { try channel.pipeline.syncOperations.addHandler(breaker) } catch {
                    return channel.eventLoop.makeFailedFuture(error)
                }
            }
            return initializer(channel)
        }
    }
}

/// Closes its channel once it was given so many bytes.
private final class Breaker: ChannelOutboundHandler, Sendable {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let rest: Mutex<Int>
    private let onBreak: @Sendable () -> Void

    init(_ limit: Int, onBreak: @escaping @Sendable () -> Void) {
        rest = Mutex(limit)
        self.onBreak = onBreak
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let (count, isOver) = rest.withLock { rest in
            let before = rest
            rest -= unwrapOutboundIn(data).readableBytes
            return (before, rest <= 0)
        }
        context.write(data, promise: promise)
        guard isOver, count > 0 else { return }
        onBreak()
        context.flush()
        context.close(promise: nil)
    }
}

/// Memory of this process that is in use.
private func residentBytes() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    return (Int(text.split(separator: " ").dropFirst().first ?? "") ?? 0) * 4096
}
