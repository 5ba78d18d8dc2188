"""What the clients of tools/torture share: signed requests that survive whatever happens to the server, and what they saw."""
import http.client
import json
import pathlib
import socket
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "bench"))  # behind these, which have an events.py of their own
import host as bench  # noqa: E402  the server and the signer of the benchmarks


class Broken(Exception):
    """A rule was broken."""


def wait_for(what, condition, limit_s=20):
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise Broken(f"{what}: not within {limit_s} s")
        time.sleep(0.01)


class World:
    """The server that there is now, and whether it is over."""

    def __init__(self):
        self.server, self.stopped = None, False
        self.lock = threading.Lock()
        self.connection_errors = 0
        self.problems = []  # what broke a rule, from any thread

    def send(self, method, path, body=b"", headers=None, timeout=20):
        """One signed request on a connection of its own; (status, headers, body), or None when the connection broke: then nobody knows
        whether it was done."""
        server = self.server
        try:
            raw = bench.sign(method, path, body, server.keys, f"127.0.0.1:{server.port}", headers=headers)
            with socket.create_connection(("127.0.0.1", server.port), timeout=timeout) as connection:
                connection.sendall(raw)
                answer = http.client.HTTPResponse(connection, method=method)
                answer.begin()
                return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException):
            with self.lock:
                self.connection_errors += 1
            return None

    def api(self, method, path, members=None):
        """As send, with JSON: (status, members), or None."""
        seen = self.send(method, path, json.dumps(members).encode() if members is not None else b"")
        return seen and (seen[0], json.loads(seen[2] or b"null"))

    def must(self, method, path, members=None):
        seen = self.api(method, path, members)
        if not seen or seen[0] >= 300:
            raise Broken(f"{method} {path}: {seen}")
        return seen[1]

    def watch(self, problem):
        with self.lock:
            self.problems.append(problem)

    def forever(self, step):
        """A thread's life; what breaks a rule ends it and is told."""
        try:
            while not self.stopped:
                step()
        except Broken as broken:
            self.watch(str(broken))
        except Exception as bug:  # of a client: nothing that it says afterwards would be true
            self.watch(f"{step.__qualname__}: {type(bug).__name__}: {bug}")
