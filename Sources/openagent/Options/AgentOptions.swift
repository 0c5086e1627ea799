internal import ArgumentParser
internal import Gateway
internal import Wire

// Which agent does a command mean? For commands that work on an agent's directory: the one named, else the one that is
// found (the order is in `RunningAgents`).

struct AgentOptions: ParsableArguments {
    @Option(
        name: .customLong("agent"),
        help: ArgumentHelp(
            "The agent's directory. Without it: $OPENAGENT_AGENT, the current directory, ./my-agent, "
                + "or the only agent that runs here.", valueName: "dir"))
    var path: String?
}
