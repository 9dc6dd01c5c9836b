"""The official clients: what each needs, how it is built into the cache, how it is run."""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from harness import Failure

HERE = Path(__file__).resolve().parent
CACHE = HERE / ".cache"


class Client:
    """Built once into its folder of the cache, again when its sources change."""

    tools = ()
    beats = None  # over HTTP: seconds between beats, and of silence until unhealthy and until removed
    datagrams = False  # whether its listener is fed by datagrams too
    hears_empty = True  # whether its listener is told that the last instance left
    maintains = ()  # what it can do for operators
    keeps = False  # whether its program registers persistent instances

    def __init__(self, name, source, **traits):
        self.name = name
        self.source = HERE / source
        self.built = CACHE / name
        for trait, value in traits.items():
            setattr(self, trait, value)

    @property
    def http(self):
        return self.beats is not None

    def missing(self):
        """The tools that this machine lacks."""
        return [tool for tool in self.tools if not shutil.which(tool)]

    def install(self, seconds):
        stamp, wanted = self.built / "stamp", self.digest()
        if stamp.exists() and stamp.read_text() == wanted:
            return
        shutil.rmtree(self.built, ignore_errors=True)
        self.built.mkdir(parents=True)
        self.build(seconds)
        stamp.write_text(wanted)

    def digest(self):
        sources = sorted(path for path in self.source.rglob("*") if path.is_file())
        return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()

    def execute(self, seconds, *argv, cwd=None):
        """Runs one step of the build where the sources are or in `cwd`, its output in `build.log`."""
        log = self.built / "build.log"
        with log.open("ab") as output:
            try:
                subprocess.run(
                    argv,
                    cwd=cwd or self.source,
                    env={**os.environ, "GOTOOLCHAIN": "local"},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    timeout=seconds,
                    check=True,
                )
            except subprocess.SubprocessError as error:
                raise Failure(f"{error}, see {log.relative_to(HERE)}") from None


class Python(Client):
    def missing(self):
        """Debian ships Python without the parts that make virtual environments."""
        try:
            import ensurepip  # noqa: F401
            import venv  # noqa: F401
        except ImportError:
            return ["python3 venv"]
        return []

    def digest(self):
        return f"{sys.version}\n" + (self.source / "requirements.txt").read_text()

    def build(self, seconds):
        self.execute(seconds, sys.executable, "-m", "venv", self.built)
        self.execute(seconds, self.built / "bin/pip", "install", "-q", "-r", "requirements.txt")

    def argv(self, directory):
        return [self.built / "bin/python", self.source / "client.py"]


class Java(Client):
    tools = ("java", "javac", "mvn")
    one_at_a_time = threading.Lock()  # Maven's local repository is not made for two

    def __init__(self, version, **traits):
        super().__init__(f"java-{version}", "java", maintains=("instances", "services"), keeps=True, **traits)
        self.version = version

    def build(self, seconds):
        properties = [f"-Dnacos.version={self.version}", f"-Dbuild={self.built}"]
        with self.one_at_a_time:
            self.execute(seconds, "mvn", "-q", "-B", "-ntp", *properties, "compile", "dependency:copy-dependencies")

    def argv(self, directory):
        options = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"]
        home = f"-Duser.home={directory}"  # the client keeps a cache there
        return ["java", *options, home, "-cp", f"{self.built}/classes:{self.built}/dependency/*", "Client"]


class Go(Client):
    tools = ("go",)

    def build(self, seconds):
        self.execute(seconds, "go", "build", "-o", self.built / "client", ".")

    def argv(self, directory):
        return [self.built / "client"]


class Node(Client):
    tools = ("node", "npm")

    def build(self, seconds):
        for name in ("package.json", "package-lock.json"):
            shutil.copy(self.source / name, self.built)
        self.execute(seconds, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=self.built)
        shutil.copy(self.source / "client.js", self.built)

    def argv(self, directory):
        return ["node", self.built / "client.js"]


# In this order each client over gRPC publishes for the next one.
ALL = [
    Python("python", "python", keeps=True),
    Java("2.5.1"),
    Go("go", "go", keeps=True),
    Java("3.0.3"),
    Python("python-http", "python-http", beats=(1, 5, 8), maintains=("instances",)),
    # Its first beat comes up to 10 s after the start, whatever the instance says.
    Node("node", "node", beats=(1, 12, 14), datagrams=True, hears_empty=False),
    Java("1.4.8", beats=(1, 5, 8), datagrams=True),
]
# The cheapest to start comes first: it answers repeated questions.
OBSERVERS = ["go", "python-http", "node", "python", "java-1.4.8", "java-2.5.1", "java-3.0.3"]
