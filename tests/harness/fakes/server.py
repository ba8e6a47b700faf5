#!/usr/bin/python3
"""Stands in for every quartet server: the same line on stdout, the same routes, the same end.

FAKE_SERVER=mute prints no line, =broken exits with status 1 before it, =stubborn ignores SIGTERM, =sloppy exits with
status 3 after it. FAKE_CROWD=64 counts so many clients more in /stats: a stand-in for wrk that lacks CPU time has not
asked yet when the harness counts its clients. FAKE_PIDS names a directory where it leaves a file named after its pid.
--describe is answered by the server that it stands in for.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

BEHAVIOUR = os.environ.get("FAKE_SERVER", "")


class Server:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.connections = 0
        self.sleeping = 0
        self.idle = 0
        self.workers = asyncio.Semaphore(options.workers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with self.workers:
                self.connections += 1
                await self.converse(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has left
        finally:
            writer.close()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(1, (self.options.max_requests_per_connection or sys.maxsize) + 1):
            head = await self.wait_for_request(reader, number)
            method, target, _ = head.decode().split(" ", 2)
            status, body = await self.answer(method, target)
            last = "Connection: close\r\n" if number == self.options.max_requests_per_connection else ""
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{last}\r\n{body}".encode())
            await writer.drain()

    async def wait_for_request(self, reader: asyncio.StreamReader, number: int) -> bytes:
        """Idle is who was answered before."""
        self.idle += number > 1
        try:
            return await reader.readuntil(b"\r\n\r\n")
        finally:
            self.idle -= number > 1

    async def answer(self, method: str, target: str) -> tuple[int, str]:
        url = urlsplit(target)
        if url.path == "/fault/segv" and method == "POST" and self.options.enable_faults:
            os.kill(os.getpid(), signal.SIGSEGV)
        if url.path == "/sleep":
            self.sleeping += 1
            await asyncio.sleep(int(parse_qs(url.query)["ms"][0]) / 1000)
            self.sleeping -= 1
        if url.path == "/stats":
            crowd = int(os.environ.get("FAKE_CROWD", 0))
            gauges = {"reading": crowd, "running": 1, "sleeping": self.sleeping, "writing": 0, "idle": self.idle}
            totals = {"connections": self.connections, "gauges": gauges}
            return 200, json.dumps({"totals": totals, "workers": []})
        return (404, "no such route") if url.path == "/missing" else (200, "Hello, World!")


async def main(options: argparse.Namespace) -> int:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set if BEHAVIOUR != "stubborn" else lambda: None)
    server = await asyncio.start_server(Server(options).serve, "127.0.0.1", 0)
    if BEHAVIOUR == "broken":
        print("bind 127.0.0.1:1: Permission denied", file=sys.stderr)
        return 1
    if BEHAVIOUR != "mute":
        print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await ended.wait()
    print("drained", file=sys.stderr)
    return 3 if BEHAVIOUR == "sloppy" else 0


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", action="version", version="fake 1.0")
    for name in ("--listen", "--mode", "--drain-timeout", "--ballast", "--root"):
        parser.add_argument(name)
    for name in ("--max-connections", "--keep-alive-timeout"):
        parser.add_argument(name)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--max-requests-per-connection", type=int, default=1000)
    for name in ("--enable-faults", "--supervise", "--describe"):
        parser.add_argument(name, action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parse_options()
    if arguments.describe:
        name = Path(sys.argv[0]).name
        os.execv(Path(__file__).resolve().parents[3] / "build/release/bin" / name, [name, "--describe"])
    if "FAKE_PIDS" in os.environ:
        (Path(os.environ["FAKE_PIDS"]) / str(os.getpid())).touch()
    # without the tear-down of asyncio, which would wait for connections
    status = asyncio.new_event_loop().run_until_complete(main(arguments))
    sys.stderr.flush()
    os._exit(status)
