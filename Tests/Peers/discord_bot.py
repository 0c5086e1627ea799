"""Lives in a Discord as a bot made with discord.py does: logs in, hears messages, answers, changes its answers.

Usage: discord_bot.py BASE TOKEN, where BASE is REST with its version, e.g. http://127.0.0.1:1234/api/v10. A message `say X` is answered with X,
`change X` with a message that then becomes X, `many N` with N messages, `end` ends it. At the end it prints one JSON object about what it saw.

discord.py asks the gateway for a compressed stream unless its own parameter `compress` is False; the gateway that this talks to has none.
"""

import asyncio
import json
import logging
import sys

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

BASE, TOKEN = sys.argv[1], sys.argv[2]


class Bot(discord.Client):
    def __init__(self):
        intents = discord.Intents(guilds=True, guild_messages=True, dm_messages=True, message_content=True)
        super().__init__(intents=intents, chunk_guilds_at_startup=False, guild_ready_timeout=0.2)
        self.seen = {"heard": [], "resumed": 0, "ready": 0, "refused": 0, "guilds": [], "private": []}

    async def on_ready(self):
        self.seen["ready"] += 1
        self.seen["user"] = self.user.name
        self.seen["guilds"] = [[guild.name, sorted(channel.name for channel in guild.text_channels)] for guild in self.guilds]

    async def on_resumed(self):
        self.seen["resumed"] += 1

    async def on_message(self, message):
        if message.author == self.user:
            return
        self.seen["heard"].append(message.content)
        if message.guild is None:
            self.seen["private"].append(message.content)
        word, _, rest = message.content.partition(" ")
        if word == "say":
            await message.channel.send(rest, reference=message, nonce=str(message.id))
        elif word == "change":
            answer = await message.channel.send("...")
            await answer.edit(content=rest)
        elif word == "many":
            for number in range(int(rest)):
                await message.channel.send(str(number))
        elif word == "wrong":
            try:
                await message.channel.send("x" * 2001)
            except discord.HTTPException as refusal:
                self.seen["refused"] = refusal.code
                await message.channel.send("too long")
        elif word == "end":
            await self.close()


class Limits(logging.Handler):
    """Counts what discord.py says of being held back."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def emit(self, record):
        if "being rate limited" in record.getMessage() and record.levelno >= logging.WARNING:
            self.count += 1


async def main():
    Route.BASE = BASE
    connect = DiscordWebSocket.from_client.__func__

    async def plain(cls, client, **parameters):
        return await connect(cls, client, **{**parameters, "compress": False})

    DiscordWebSocket.from_client = classmethod(plain)
    limits = Limits()
    logging.getLogger("discord").addHandler(limits)
    # What goes wrong in a handler is told on standard error.
    logging.getLogger("discord").addHandler(logging.StreamHandler())
    bot = Bot()
    async with bot:
        await bot.login(TOKEN)
        # By itself it asks nobody where the gateway is.
        _, url, _ = await bot.http.get_bot_gateway()
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(url)
        await bot.connect()
    bot.seen["limited"] = limits.count
    print(json.dumps(bot.seen), flush=True)


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for(main(), 60))
