internal import ArgumentParser

// How much of a long list is shown? The pages in which the agent gives it are the command's own business.

struct ListOptions: ParsableArguments {
    @Option(help: ArgumentHelp("At most so many.", valueName: "n"))
    var limit: Int?
    @Flag(help: "All of them, however many there are.")
    var all = false

    /// How many rows are wanted, when `usual` are where nobody says.
    ///
    /// - Throws: ``CommandError``
    func count(or usual: Int) throws -> Int {
        guard let limit else { return all ? .max : usual }
        guard limit >= 1 else {
            throw CommandError(.usage, "--limit is at least 1", hint: "for everything there is: --all")
        }
        guard !all else {
            throw CommandError(.usage, "--limit and --all contradict each other", hint: "give one of them")
        }
        return limit
    }

    /// Tells a person that the list goes on.
    func tellRest(_ cursor: String?) {
        if cursor != nil, Screen.isTerminal { Output.write("There are more: --all shows them.\n") }
    }
}
