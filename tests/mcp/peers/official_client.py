"""The official Python client against the fixture: `official_client.py PROGRAM URL`, one transport each."""

import asyncio
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client


async def use(streams):
    async with ClientSession(streams[0], streams[1]) as session:
        await session.initialize()
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert tools["add"].title == "Addition" and tools["add"].annotations.read_only_hint
        assert tools["fails"].annotations is None

        async def call(name, **arguments):
            result = await session.call_tool(name, arguments)
            return result.is_error, result.structured_content, [getattr(block, "text", block.type) for block in result.content]

        # All at once, as an agent asks for them.
        answers = await asyncio.gather(
            call("add", a=2, b=40),
            call("split", text="a b"),
            call("fails", why="no such patient"),
            call("panics"),
            call("add", a="x"),
            call("transfer", cents=5),
            call("test_multiple_content_types"),
        )
        assert answers[0] == (False, None, ["42"]), answers[0]
        assert answers[1][1] == {"words": ["a", "b"], "count": 2}, answers[1]
        assert answers[2] == (True, None, ["no such patient"]), answers[2]
        assert answers[3][0] and "secret" not in answers[3][2][0], answers[3]
        assert answers[4][0] and "`a`" in answers[4][2][0], answers[4]
        assert answers[5][0] and "cannot ask" in answers[5][2][0], answers[5]
        assert answers[6][2][1:] == ["image", "resource"], answers[6]
        try:
            await session.call_tool("nothing", {})
        except Exception as error:
            assert "unknown tool `nothing`" in str(error), error
        else:
            raise AssertionError("an unknown tool is an error of the protocol")


async def main(program, url):
    async with stdio_client(StdioServerParameters(command=program, args=["stdio"])) as streams:
        await use(streams)
    async with streamable_http_client(url) as streams:
        await use(streams)
    print("7 calls at once over each transport, and an unknown tool")


asyncio.run(main(*sys.argv[1:]))
