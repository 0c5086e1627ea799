internal import Agent

// Who has to hear that an MCP server came up or went down? Whoever shows the list. A server that falls and rises all the time is told of
// no more often than people can look.

extension MCPServers {
    /// How long is waited between two reports.
    private static let interval = Duration.seconds(1)

    /// Tells of changes until the task is cancelled.
    func tellChanges(through broadcasts: Broadcasts) async {
        for await _ in changes {
            for name in takeChanges().sorted() { broadcasts.publish(.mcp, .updated, id: name, to: [.everybody]) }
            do { try await Task.sleep(for: Self.interval) } catch { return }
        }
    }
}
