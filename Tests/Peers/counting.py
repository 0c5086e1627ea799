#!/usr/bin/env python3
"""An MCP server over stdio that writes down each call before it does anything: a line with the argument `id` in the file CALLS_FILE."""
import json
import os
import sys

calls = os.open(os.environ["CALLS_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def tool(name, reads):
    schema = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    return {"name": name, "description": "Counts.", "inputSchema": schema, "annotations": {"readOnlyHint": reads}}


def answer(method, parameters):
    if method == "initialize":
        return {"protocolVersion": parameters["protocolVersion"], "capabilities": {"tools": {}},
                "serverInfo": {"name": "counting", "version": "1"}}
    if method == "tools/list":
        return {"tools": [tool("look", True), tool("do", False)]}
    if method == "tools/call":
        os.write(calls, (parameters["arguments"]["id"] + "\n").encode())
        return {"content": [{"type": "text", "text": "counted"}]}
    return {}


for line in sys.stdin.buffer:
    message = json.loads(line)
    if message.get("id") is not None and "method" in message:
        result = answer(message["method"], message.get("params") or {})
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}) + "\n")
        sys.stdout.flush()
