"""A serving agent and a user who has joined it, in a temporary directory, by the commands that users have."""

import glob
import json
import os
import re

from .processes import Failure


class Agent:
    """`openagent serve`, and one device that joined with its ticket."""

    def __init__(self, scene, openagent):
        self.scene, self.openagent = scene, openagent
        self.directory = scene.path("agent")
        self.environment = {"OPENAGENT_HOME": scene.path("home"), "HOME": scene.directory}
        self.server = scene.start(openagent, "serve", self.directory, environment=self.environment)
        ticket = self.server.line(lambda line: "oa1" in line)
        password = scene.path("password")
        with open(password, "w") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write("benchmarks only\n")
        self.run("join", re.search(r"oa1\w+", ticket)[0], "--handle", "bench", "--password-file", password)

    def run(self, *arguments):
        return self.scene.run(self.openagent, *arguments, environment=self.environment)

    def start(self, *arguments):
        return self.scene.start(self.openagent, *arguments, environment=self.environment)

    def proxy(self):
        """Starts `openagent proxy`; returns the program and its port."""
        program = self.start("proxy", "--port", "0")
        url = program.line(lambda line: "http://" in line)
        return program, int(re.search(r"http://[^:/]+:(\d+)", url)[1])

    def replace_by_terminator(self, bench, backend_port):
        """Puts `transport-bench terminate` before a TCP server in this agent's place; returns the program."""
        with open(os.path.join(self.directory, ".openagent", "run.json")) as file:
            port = next(value for name, value in json.load(file).items() if "port" in name.lower())
        keys = glob.glob(os.path.join(self.directory, "**", "identity.key"), recursive=True)
        if not keys:
            raise Failure(f"no identity.key below {self.directory}")
        self.server.stop()
        terminator = self.scene.start(bench, "terminate", keys[0], f"0.0.0.0:{port}", f"127.0.0.1:{backend_port}")
        terminator.json()
        return terminator
