internal import ArgumentParser

// How much of a long list is shown? The pages in which the agent gives it are the command's own business.

struct ListOptions: ParsableArguments {
    @Option(help: ArgumentHelp("At most so many.", valueName: "n"))
    var limit: Int?
    @Flag(help: "All of them, however many there are.")
    var all = false

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit is at least 1") }
        if limit != nil, all { throw ValidationError("--limit and --all contradict each other") }
    }

    /// How many rows are wanted, when `usual` are where nobody says.
    func count(or usual: Int) -> Int { all ? .max : limit ?? usual }

    /// Tells a person that the list goes on.
    func tellRest(_ cursor: String?) {
        if cursor != nil, Screen.isTerminal { Output.write("There are more: --all shows them.\n") }
    }
}
