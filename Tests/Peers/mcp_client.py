"""Speaks with the agent as an MCP client does: over stdio (mcp_client.py stdio PROGRAM ARG…) or HTTP (mcp_client.py http URL).

Prints one JSON object about what it saw.
"""

import asyncio
import json
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client


async def talk(streams):
    read, write = streams[0], streams[1]
    heard = []

    async def progress(progress, total, message):
        heard.append(message)

    async with ClientSession(read, write) as session:
        greeting = await session.initialize()
        tools = await session.list_tools()
        await session.send_ping()
        written = await session.call_tool("vault_write", {"path": "Peer.md", "content": "Written by a peer. #peer"})
        note = await session.call_tool("vault_read", {"path": "Peer.md"})
        missing = await session.call_tool("vault_read", {"path": "../openagent.yaml"})
        answer = await session.call_tool(
            "ask_agent", {"message": "What is written by a peer?", "session_id": "peer"}, progress_callback=progress
        )
        sessions = await session.call_tool("sessions_list", {})

        def text(result):
            return result.content[0].text

        print(
            json.dumps(
                {
                    "server": greeting.model_dump(mode="json").get("server_info") or greeting.model_dump(mode="json").get("serverInfo"),
                    "tools": [tool.name for tool in tools.tools],
                    "written": text(written),
                    "note": text(note),
                    "missing": (missing.model_dump(mode="json").get("is_error") or missing.model_dump(mode="json").get("isError")) is True,
                    "answer": text(answer),
                    "progress": heard,
                    "sessions": text(sessions),
                }
            )
        )


async def main():
    if sys.argv[1] == "stdio":
        server = StdioServerParameters(command=sys.argv[2], args=sys.argv[3:], env=ENVIRONMENT)
        async with stdio_client(server) as streams:
            await talk(streams)
    else:
        async with streamable_http_client(sys.argv[2]) as streams:
            await talk(streams)


if __name__ == "__main__":
    import os

    ENVIRONMENT = {name: value for name, value in os.environ.items() if name in ("OPENAGENT_HOME", "HOME", "TMPDIR")}
    asyncio.run(asyncio.wait_for(main(), 60))
