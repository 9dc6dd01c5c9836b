"""Processes with deadlines: a node of Roster, and client programs that talk in lines."""

import http.client
import os
import queue
import random
import signal
import socket
import subprocess
import threading
import time

HOST = "127.0.0.1"


class Failure(Exception):
    """A scenario did not go as it should; the text is the reason."""


class Clock:
    """The time that is left for the whole run."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds

    def stop(self):
        """No time is left from now on."""
        self.end = time.monotonic()

    def deadline(self, seconds):
        now = time.monotonic()
        if now >= self.end:
            raise Failure("the run is out of time")
        return min(now + seconds, self.end)


def free_port():
    """A port whose neighbours that a node uses are free too, outside the range of outgoing connections."""
    while True:
        port = random.randrange(12000, 30000)
        try:
            for offset in (0, 1000, 1001):
                with socket.socket() as probe:
                    probe.bind((HOST, port + offset))
            return port
        except OSError:
            continue


class Process:
    """A child in its own directory and session, its output in files there."""

    def __init__(self, name, argv, directory, env=None, **options):
        self.name = name
        directory.mkdir(parents=True, exist_ok=True)
        self.errors = (directory / "stderr").open("ab")
        self.child = subprocess.Popen(
            argv,
            cwd=directory,
            env={**os.environ, **(env or {})},
            stderr=self.errors,
            start_new_session=True,
            **options,
        )

    def kill(self):
        """`kill -9` for the process and whatever it started."""
        if self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()
        self.errors.close()


class ClientProcess(Process):
    """A client program: commands go to its stdin, its lines are waited for with a deadline."""

    def __init__(self, name, argv, directory, clock, env=None):
        super().__init__(name, argv, directory, env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.clock = clock
        self.last = "nothing"
        self.lines = queue.Queue()
        threading.Thread(target=self._read, args=(directory / "stdout",), daemon=True).start()

    def _read(self, path):
        with path.open("w") as copy:
            for line in self.child.stdout:
                copy.write(line)
                copy.flush()
                self.lines.put(line.strip())
        self.lines.put(None)

    def next_line(self, deadline, wanted):
        try:
            line = self.lines.get(timeout=max(0, deadline - time.monotonic()))
        except queue.Empty:
            raise Failure(f"{self.name}: waited in vain for `{wanted}`, last line `{self.last}`") from None
        if line is None:
            self.lines.put(None)
            raise Failure(f"{self.name}: ended with exit code {self.child.wait()} before `{wanted}`")
        self.last = line
        return line

    def expect(self, wanted, seconds):
        """Reads on until the wanted line."""
        deadline = self.clock.deadline(seconds)
        while (line := self.next_line(deadline, wanted)) != wanted:
            if line.startswith("FAILED"):
                raise Failure(f"{self.name}: {line}")

    def answer(self, word, seconds):
        """Reads on until a line with this first word and gives the rest of it."""
        deadline = self.clock.deadline(seconds)
        while True:
            first, _, rest = self.next_line(deadline, word).partition(" ")
            if first == word:
                return rest

    def tell(self, command):
        try:
            self.child.stdin.write(command + "\n")
        except OSError:
            raise Failure(f"{self.name}: does not read `{command}`, it ended") from None

    def command(self, command, seconds=10):
        self.tell(command)
        self.expect("OK " + command.split()[0], seconds)

    def is_refused(self, command, seconds=10):
        self.tell(command)
        self.answer("FAILED", seconds)

    def is_quiet(self, seconds):
        """For so long the program says nothing."""
        deadline = self.clock.deadline(seconds)
        try:
            line = self.lines.get(timeout=deadline - time.monotonic())
        except queue.Empty:
            return
        raise Failure(f"{self.name}: said `{line or 'its end'}` within {seconds} s")

    def quit(self, seconds=10):
        """The clean end: the program shuts its client down and exits with 0."""
        self.tell("quit")
        self.ends(seconds)

    def ends(self, seconds):
        try:
            code = self.child.wait(max(0, self.clock.deadline(seconds) - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name}: did not end within {seconds} s") from None
        if code:
            raise Failure(f"{self.name}: ended with exit code {code}")


class Node:
    """One standalone node; stopped and started again it keeps port and data."""

    def __init__(self, binary, directory, clock):
        self.binary = binary
        self.directory = directory
        self.clock = clock
        self.port = free_port()
        self.process = None

    @property
    def address(self):
        return f"{HOST}:{self.port}"

    def start(self, seconds=15):
        argv = [self.binary, "server", "--port", str(self.port), "--data", self.directory / "data"]
        self.process = Process("node", argv, self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        deadline = self.clock.deadline(seconds)
        while not self.ready():
            self.must_live()
            if time.monotonic() > deadline:
                raise Failure(f"node: not ready within {seconds} s")
            time.sleep(0.05)

    def ready(self):
        connection = http.client.HTTPConnection(HOST, self.port, timeout=2)
        try:
            connection.request("GET", "/nacos/v1/console/health/readiness")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def must_live(self):
        code = self.process and self.process.child.poll()
        if code is not None:
            raise Failure(f"node: ended with exit code {code}")

    def stop(self, seconds=15):
        self.must_live()
        self.process.child.terminate()
        try:
            self.process.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"node: did not stop within {seconds} s") from None
        finally:
            self.process.kill()

    def kill(self):
        if self.process:
            self.process.kill()
