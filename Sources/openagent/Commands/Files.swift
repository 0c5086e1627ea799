internal import ArgumentParser
internal import Foundation
internal import NIOCore
internal import Wire

struct Files: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send files to the agent, fetch its own, and keep order among them.",
        subcommands: [List.self, Put.self, Get.self, Remove.self])

    struct Put: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send a file; one that broke off goes on where it was.",
            discussion: "Prints the file's id. 'openagent chat --attach FILE' sends one along with a message.")

        @Argument(help: ArgumentHelp("The file to send.", valueName: "path"))
        var path: String
        @Flag(help: "Print JSON.")
        var json = false
        @OptionGroup var client: ClientOptions

        func run() async throws {
            let upload = try FileUpload(path: path)
            let file = try await client.withClient { client in try await Transfer.send(upload, through: client) }
            if json { return print(try Transfer.json(file)) }
            // Programs want the one thing that the next command takes.
            guard Screen.isTerminal else { return print(file.id) }
            print("\(file.id)  \(Transfer.size(file.size))  \(Screen.plain(file.filename))")
        }
    }

    struct Get: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Fetch a file; nothing that is there is overwritten.")

        @Argument(help: ArgumentHelp("The file's id.", valueName: "id"))
        var id: String
        @Option(
            name: .shortAndLong,
            help: ArgumentHelp(
                "Where to put it, a folder or a new name; else the current directory.", valueName: "path"))
        var output: String?
        @Flag(help: "Overwrite a file that is there.")
        var force = false
        @OptionGroup var client: ClientOptions

        func validate() throws {
            guard id.wholeMatch(of: /[0-9a-fA-F]{32}/) != nil else {
                throw ValidationError("a file's id has 32 hexadecimal digits; an answer with a file names it")
            }
        }

        func run() async throws {
            let path = try await client.withClient { client in
                try await Transfer.fetch(id.lowercased(), to: output, force: force, through: client)
            }
            print(Screen.plain(path))
        }
    }
}

/// Files between this machine and the agent, with what a person sees of it.
enum Transfer {
    /// - Throws: ``FileTransferError`` and what the client throws.
    static func send(_ upload: FileUpload, through client: Client) async throws -> StoredFile {
        let progress = ProgressLine("sending \(Screen.plain(upload.filename))", total: upload.size)
        defer { progress.end() }
        return try await GatewayClient(dialer: client.pool).upload(upload) { progress.show($0) }
    }

    /// - Parameter output: a folder, a name that is free, or nil for the current directory.
    /// - Returns: where the file is.
    static func fetch(
        _ id: String, to output: String?, force: Bool, through client: Client
    ) async throws -> String {
        var target: NewFile?
        var progress: ProgressLine?
        defer { progress?.end() }
        var received: Int64 = 0
        do {
            _ = try await GatewayClient(dialer: client.pool).download(id) { download in
                target = try NewFile(output, named: download.filename, force: force)
                progress = ProgressLine("fetching \(Screen.plain(download.filename))", total: download.size)
            } write: { bytes in
                try target?.write(bytes)
                received += Int64(bytes.readableBytes)
                progress?.show(received)
            }
            guard let target else { throw FileTransferError.damaged }
            try target.finish()
            return target.path
        } catch {
            target?.remove()
            throw error
        }
    }

    static func json(_ file: StoredFile) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(file), as: UTF8.self)
    }

    /// As people read it.
    static func size(_ bytes: Int64) -> String {
        var value = Double(bytes)
        var unit = 0
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return unit == 0 ? "\(bytes) B" : String(format: "%.1f ", value) + units[unit]
    }

    /// A file of an answer, in a line, with the way to get it.
    static func line(_ attachment: Attachment) -> String {
        let size = attachment.size.map { " (\(Self.size($0)))" } ?? ""
        let way = attachment.id.map { ": openagent files get \($0)" } ?? ""
        return Screen.plain("file \(attachment.filename)\(size)\(way)") + "\n"
    }
}

extension ClientOptions {
    /// A client for as long as `body` runs.
    func withClient<R>(_ body: (Client) async throws -> R) async throws -> R {
        let client = try await open()
        let result: Result<R, any Error>
        do { result = .success(try await client.keepingFresh { try await body(client) }) } catch {
            result = .failure(error)
        }
        await client.close()
        return try result.get()
    }
}
