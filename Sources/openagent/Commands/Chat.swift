internal import ArgumentParser
internal import Foundation
internal import Gateway
internal import Wire

struct Chat: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send one message, print the answer, and end.",
        discussion: "Without -m the message is read from standard input. Commands are messages, too: \(commands).")

    private static let commands = SessionCommand.allCases.filter(\.isListed).map { "/\($0.rawValue)" }
        .joined(separator: ", ")

    /// The conversation of the command line, unless another is named.
    static let defaultSession = "cli"

    @Option(name: [.short, .long], help: ArgumentHelp("The message, or a /command.", valueName: "text"))
    var message: String?
    @Option(name: .customLong("session"), help: ArgumentHelp("The conversation.", valueName: "id"))
    var session = defaultSession
    @Option(
        name: .customLong("attach"), parsing: .singleValue,
        help: ArgumentHelp("A file to send along; may be given several times.", valueName: "path"))
    var attachments: [String] = []
    @Flag(help: "Print the events of the turn, one JSON object a line.")
    var json = false
    @Argument(help: ArgumentHelp("handle@network[/agent], when there are several.", valueName: "network"))
    var network: String?
    @OptionGroup var client: ClientOptions

    func run() async throws {
        let line = try typedLine()
        if !attachments.isEmpty, case .command = line {
            throw CommandError(.usage, "a /command takes no files")
        }
        let uploads = try attachments.map { try FileUpload(path: $0) }
        let signals = await ShutdownSignals()
        let patience = client.timeout.duration
        let client = try await client.open(network: network)
        let result: Result<Void, any Error>
        do {
            result = .success(
                try await client.keepingFresh {
                    var files: [Attachment] = []
                    for upload in uploads { files.append(try await Transfer.send(upload, through: client).attachment) }
                    let asking = OneQuestion(
                        chat: ChatClient(dialer: client.pool), sessionID: session, attachments: files, asJSON: json,
                        streams: isatty(STDOUT_FILENO) == 1, patience: patience)
                    try await asking.run(line, signals: signals)
                })
        } catch {
            result = .failure(error)
        }
        await client.close()
        try result.get()
    }

    private func typedLine() throws -> TypedLine {
        let text: String
        if let message {
            text = message
        } else {
            guard isatty(STDIN_FILENO) == 0 else {
                throw CommandError(
                    .usage, "there is no message", hint: "use -m TEXT, pipe one in, or chat with: openagent connect")
            }
            text = String(decoding: try FileHandle.standardInput.readToEnd() ?? Data(), as: UTF8.self)
        }
        let line = TypedLine(text.trimmingCharacters(in: .whitespacesAndNewlines))
        if case .nothing = line { throw CommandError(.usage, "the message is empty") }
        return line
    }
}
