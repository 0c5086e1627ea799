"""An agent that is a member of somebody else's network, by the commands that users have."""

import json
import os


class Member:
    """`openagent network join` and `openagent serve`, in a temporary directory."""

    def __init__(self, scene, openagent, ticket):
        directory = scene.path("member")
        environment = {"OPENAGENT_HOME": scene.path("member-home"), "HOME": scene.directory}
        scene.run(openagent, "network", "join", ticket, "--agent", directory, environment=environment)
        scene.start(openagent, "serve", directory, environment=environment).line(lambda line: "Listens" in line)
        with open(os.path.join(directory, ".openagent", "run.json")) as file:
            facts = json.load(file)
        self.node = facts["nodeId"]
        self.address = next(address for address in facts["addresses"] if address.startswith("127.0.0.1:"))
