internal import ArgumentParser
internal import Foundation
internal import NIOCore
internal import Wire

extension Files {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List your files at the agent, the newest first.")

        @Option(help: ArgumentHelp("At most so many, 1 to 1000.", valueName: "n"))
        var limit = 100
        @Option(help: ArgumentHelp("Go on where a list ended, with the cursor that it printed.", valueName: "cursor"))
        var cursor: String?
        @Option(help: ArgumentHelp("Only those of this conversation.", valueName: "session"))
        var session: String?
        @Flag(help: "Print one JSON document.")
        var json = false
        @OptionGroup var client: ClientOptions

        func run() async throws {
            let path = Administration.path(
                "/api/files", query: [("limit", "\(limit)"), ("cursor", cursor), ("session_id", session)])
            let answer: Administration.Answer<FilesBody> = try await client.withClient {
                try await Administration(NetworkCarrier($0)).get(path)
            }
            if json { return Output.write(Screen.json(answer.json) + "\n") }
            var table = Table("ID", "SIZE", "SINCE", "FROM", "NAME", texts: ["NAME"])
            for file in answer.value.files {
                table.add(file.id, Transfer.size(file.size), timeText(file.createdAt), file.origin, file.filename)
            }
            table.show(empty: "You have no file here. Send one with: openagent files put FILE")
            if let next = answer.value.nextCursor {
                Output.write("more: openagent files list --cursor \(Screen.plain(next))\n")
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "rm", abstract: "Delete files at the agent.")

        @Argument(help: ArgumentHelp("The files' ids.", valueName: "id"))
        var ids: [String]
        @Flag(help: "Print one JSON document for each.")
        var json = false
        @OptionGroup var client: ClientOptions

        func run() async throws {
            try await client.withClient { client in
                let agent = Administration(NetworkCarrier(client))
                for id in ids {
                    let answer: Administration.Answer<FileRemoval> = try await agent.delete(
                        Administration.path("/api/files", id.lowercased()), hint: "see: openagent files list")
                    Output.write(json ? Screen.json(answer.json) + "\n" : "\(answer.value.id) is deleted\n")
                }
            }
        }
    }
}
