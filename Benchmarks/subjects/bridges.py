"""A thousand people write to a bot at once: how long until each has an answer of the built-in model, and how much memory does it take?"""

import os
import time

from measure.bot import Bot
from measure.processes import Failure, Scene, resident_kib
from measure.table import Row

CHATS = 1_000
PATIENCE = 300


def measure(tools):
    with Scene() as scene, Bot(CHATS) as bot:
        directory = scene.path("agent")
        os.makedirs(directory)
        with open(os.path.join(directory, "openagent.yaml"), "w") as file:
            people = ", ".join(str(person) for person in bot.people)
            file.write(
                "channels:\n  telegram:\n    live: false\n"
                f"    token: '{bot.TOKEN}'\n    api_base: {bot.url}\n    allowed_users: [{people}]\n"
            )
        environment = {"OPENAGENT_HOME": scene.path("home"), "HOME": scene.directory}
        server = scene.start(tools.openagent, "serve", directory, environment=environment)
        server.line(lambda line: "Listens" in line)
        bot.wait_for_poll(30)
        before = resident_kib(server.pid)
        began = time.monotonic()
        bot.speak()
        if not bot.wait_for_answers(PATIENCE):
            raise Failure(f"{bot.missing} of {CHATS:,} chats were not answered within {PATIENCE} s")
        seconds = time.monotonic() - began
        after = resident_kib(server.pid)
        if bot.repeated:
            raise Failure(f"{bot.repeated} chats were answered more than once")
    what = f"Telegram, {CHATS:,} chats with a message each"
    return [
        Row(f"{what}: all answered by the built-in model", seconds, "s"),
        Row(f"{what}: memory of the agent before", before / 1024, "MiB"),
        Row(f"{what}: after the last answer", after / 1024, "MiB"),
    ]
