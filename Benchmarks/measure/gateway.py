"""A gateway with its coordinator, and parties that join it or attack it: `gateway-bench`, asked over its pipes."""

import subprocess

from .processes import Failure


class Gateway:
    """`gateway-bench serve` in a temporary directory."""

    def __init__(self, scene, bench):
        self.scene, self.bench = scene, bench
        self.directory = scene.directory
        self.server = Party(scene, bench, "serve", self.directory)
        facts = self.server.report()
        self.node, self.address = facts["node"], facts["address"]
        self.ticket, self.agent_ticket = facts["ticket"], facts["agent_ticket"]

    def party(self, *arguments, niceness=0):
        return Party(self.scene, *(["nice", "-n", niceness] if niceness else []), self.bench, *arguments)

    def status(self):
        """After memory that nobody uses was given back."""
        return self.server.ask("trim")


class Party:
    """A running `gateway-bench`."""

    def __init__(self, scene, *command):
        self.program = scene.start(*command, stdin=subprocess.PIPE)

    def report(self, timeout=120):
        report = self.program.json(timeout)
        if "error" in report:
            raise Failure(report["error"])
        return report

    def tell(self, command):
        print(command, file=self.program.process.stdin, flush=True)

    def has_report(self):
        """Whether there is something to read, if only that the party has ended."""
        return not self.program.lines.empty()

    def ask(self, command, timeout=120):
        self.tell(command)
        return self.report(timeout)

    def leave(self):
        """Ends the party in good order."""
        self.program.process.stdin.close()
        self.program.process.wait(30)
