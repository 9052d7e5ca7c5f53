"""A real server of the Model Context Protocol: python tests/tool_server.py [stdio | PORT]"""

from __future__ import annotations

import sys
import time

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

server = MCPServer("capitals")
CAPITALS = {"Iceland": "Reykjavik", "Chile": "Santiago"}


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def capital(country: str) -> str:
    """The capital of a country."""
    if country not in CAPITALS:
        raise ToolError(f"no such country: {country}")
    return CAPITALS[country]


@server.tool()
def wait(seconds: float) -> str:
    """Return after so many seconds."""
    time.sleep(seconds)
    return "waited"


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http", port=int(sys.argv[1]))
