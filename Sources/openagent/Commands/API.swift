internal import ArgumentParser
internal import Foundation
internal import NIOHTTP1

struct API: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "api",
        abstract: "Ask the agent over REST, and print the answer's body as it is.",
        discussion: """
            What can be asked: openagent api GET /api/openapi.json

            A stream of events is printed as it comes, until it ends or Ctrl-C: openagent api GET /api/events

            An answer of 400 or more is an error: the command prints why and ends with the exit code for it.
            """)

    /// Bytes of a body. No route takes a longer one in one go, except that files are sent in pieces.
    private static let largest = 16 << 20
    /// What the way to the agent says itself.
    private static let ownHeaders: Set<String> = [
        "host", "connection", "content-length", "transfer-encoding", "upgrade", "expect",
    ]

    @Argument(help: "GET, POST, PUT, PATCH or DELETE.")
    var method: String

    @Argument(help: "The path, and the query if there is one, percent-encoded.")
    var path: String

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp(
            "The body: JSON, @FILE for what is in a file, or - for standard input.", valueName: "json|@file|-"))
    var data: String?

    @Option(
        name: [.customShort("H"), .long],
        help: ArgumentHelp(
            "A header; may be repeated. The content type is JSON unless one says other.",
            valueName: "name: value"))
    var header: [String] = []

    @OptionGroup var target: TargetOptions

    func validate() throws {
        guard ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].contains(method.uppercased()) else {
            throw ValidationError("the method is GET, POST, PUT, PATCH or DELETE")
        }
        guard path.hasPrefix("/"), path.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw ValidationError("the path begins with / and is percent-encoded, such as /api/health")
        }
        _ = try headers()
    }

    func run() async throws {
        let request = AdministrationRequest(
            method: HTTPMethod(rawValue: method.uppercased()), path: path, body: try body(), headers: try headers())
        let reply: AdministrationReply?
        do {
            reply = try await target.ask { agent in
                let exchange: @Sendable () async throws -> AdministrationReply = {
                    try await agent.raw(request) { part in
                        Output.write(part, to: .standardOutput)
                        // The stream may go on for ever.
                        guard Output.isRead else { throw NobodyReads() }
                    }
                }
                // What changes something is done, whoever reads its answer.
                return request.method == .GET ? try await Output.whileRead(exchange) : try await exchange()
            }
        } catch is NobodyReads { return }
        guard let reply else { return }
        Output.write(reply.body, to: .standardOutput)
        if Screen.isTerminal, let last = reply.body.last, last != UInt8(ascii: "\n") { Output.write("\n") }
    }

    private struct NobodyReads: Error {}

    private func headers() throws -> [(String, String)] {
        try header.map { line in
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].wholeMatch(of: /[!#$%&'*+.^_`|~0-9A-Za-z-]+/) != nil,
                parts[1].utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
            else { throw ValidationError("a header is 'NAME: VALUE'") }
            guard !Self.ownHeaders.contains(parts[0].lowercased()) else {
                throw ValidationError("the header \(parts[0]) is not to be chosen")
            }
            return (String(parts[0]), parts[1].trimmingCharacters(in: .whitespaces))
        }
    }

    private func body() throws -> [UInt8]? {
        guard let data else { return nil }
        let handle: FileHandle
        if data == "-" {
            handle = .standardInput
        } else if data.hasPrefix("@") {
            guard let file = FileHandle(forReadingAtPath: String(data.dropFirst())) else {
                throw CommandError(
                    .usage, "\(data.dropFirst()) cannot be read",
                    hint: "name a file after the @, or give - for "
                        + "standard input")
            }
            handle = file
        } else {
            return Array(data.utf8)
        }
        var bytes: [UInt8] = []
        while let piece = try handle.read(upToCount: Self.largest + 1 - bytes.count), !piece.isEmpty {
            bytes += piece
            guard bytes.count <= Self.largest else {
                throw CommandError(
                    .usage, "that is more than \(Self.largest >> 20) MiB",
                    hint: "send a shorter body; files go with: openagent files put")
            }
        }
        return bytes
    }
}
