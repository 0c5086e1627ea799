"""Devices of one user that converse with one gateway."""

import time

from .gateway import Gateway


class Crowd:
    """A gateway, and `gateway-bench crowd` beside it."""

    def __init__(self, scene, tools, size):
        self.gateway = Gateway(scene, tools.gateway_bench)
        self.devices = self.gateway.party("crowd", self.gateway.ticket, size)
        self.devices.report(timeout=300)  # they have joined

    def ask(self, command):
        return self.devices.ask(command, timeout=300)

    def tell(self, command):
        """Asks for something that reports more than once."""
        self.devices.tell(command)

    def watched_report(self):
        """The next report, and the most memory (KiB) that the gateway had in use before it came."""
        most = 0
        while not self.devices.has_report():
            most = max(most, self.gateway.server.ask("status")["resident_kib"])
            time.sleep(0.25)
        return self.devices.report(), most

    def leave(self):
        self.devices.leave()
