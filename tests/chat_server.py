"""A chat-completions endpoint on this machine that says what a test tells it to."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Respond = Callable[[int, dict], tuple[int, str]]


@contextlib.contextmanager
def serve(reply: Respond) -> Iterator[ChatServer]:
    """A server that runs until the block ends."""
    server = ChatServer(reply)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def completion(text: str, finish: str = "stop") -> str:
    usage = {"prompt_tokens": 10, "completion_tokens": 3}
    return json.dumps({"choices": [{"message": {"content": text}, "finish_reason": finish}], "usage": usage})


class ChatServer(ThreadingHTTPServer):
    """Answers each request with what ``reply`` makes of its number: (status, body)."""

    daemon_threads = True
    request_queue_size = 256  # connections that wait; a full queue delays one by a second

    def __init__(self, reply: Respond) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = reply
        self.requests: list[dict] = []
        self.keys: list[str | None] = []
        self.open = self.most_open = 0
        self.lock = threading.Lock()
        self.delay_s = 0.0  # before a reply
        self.drip_s = 0.0  # before each byte of it

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: ChatServer = self.server  # type: ignore[assignment]
        length = int(self.headers["Content-Length"])
        if len(sent := self.rfile.read(length)) < length:
            return  # the client gave up while it wrote
        body = json.loads(sent)
        with server.lock:
            server.requests.append(body)
            server.keys.append(self.headers.get("Authorization"))
            number = len(server.requests)
            server.open += 1
            server.most_open = max(server.most_open, server.open)
        time.sleep(server.delay_s)
        status, text = server.reply(number, body) if self.path == "/v1/chat/completions" else (404, "no such path")
        with server.lock:
            server.open -= 1
        # A client that ran into its timeout is gone by now.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            if server.drip_s:
                for byte in text.encode():
                    time.sleep(server.drip_s)
                    self.wfile.write(bytes([byte]))
            else:
                self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        return None
