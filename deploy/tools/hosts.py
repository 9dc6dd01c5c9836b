"""Machines to try a topology on: each a set of namespaces with its own address, disk and processes.

All of them hang on one bridge, which is in a namespace of its own too, so that nothing on the real machine is changed. A
machine that is lost takes its processes along. Needs root.
"""

import itertools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

DEPLOY = pathlib.Path(__file__).resolve().parent.parent
# What a machine may change without its neighbours noticing.
OWN = ["etc", "usr/local", "var/lib"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "RUST_BACKTRACE": "0"}

SETUP = r"""
set -e
dir=$1 name=$2 binary=$3 deploy=$4
shift 4
for own; do
    mkdir -p "$dir/$own/upper" "$dir/$own/work"
    mount -t overlay overlay -o "lowerdir=/$own,upperdir=$dir/$own/upper,workdir=$dir/$own/work" "/$own"
done
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /srv
mkdir -p /srv/roster/deploy
mount --bind "$deploy" /srv/roster/deploy
touch /srv/roster/roster
mount --bind "$binary" /srv/roster/roster
hostname "$name"
ip link set lo up
touch "$dir/ready"
exec sleep infinity
"""


class Failed(Exception):
    """A command that must not fail did."""


def wait_for(what, condition, seconds=30):
    """Waits until condition() is true; what says what for."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise Failed(f"waited {seconds} s in vain until {what}")
        time.sleep(0.1)


class Host:
    """One machine."""

    def __init__(self, network, name, address):
        self.network, self.name, self.address = network, name, address
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=network.dir))
        setup = ["sh", "-c", SETUP, "setup", self.dir, name, network.binary, DEPLOY, *OWN]
        spaces = ["--mount", "--net", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self.holder = subprocess.Popen(["unshare", *spaces, *setup], stdin=subprocess.DEVNULL)
        wait_for(f"{name} is set up", (self.dir / "ready").exists)
        children = pathlib.Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children")
        self.pid = int(children.read_text().split()[0])
        if address:
            network.plug_in(self)

    def command(self, *command):
        """How to run a command there."""
        return ["nsenter", "-t", str(self.pid), "-m", "-n", "-u", "-p", "--", *map(str, command)]

    def sh(self, script, seconds=120, env=None, shell="bash"):
        """Runs a script there and returns all that it printed."""
        command = self.command(shell, "-euc", "cd /srv/roster 2>/dev/null || cd /\n" + script)
        environment = ENVIRONMENT | (env or {})
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, timeout=seconds, env=environment,
            )
        except subprocess.TimeoutExpired as late:
            said = (late.stdout or b"").decode(errors="replace")
            raise Failed(f"{self.name}: not done in {seconds} s: {script}\n{said}{self.log()}") from None
        if done.returncode:
            raise Failed(f"{self.name}: exit code {done.returncode}: {script}\n{done.stdout}{self.log()}")
        return done.stdout

    def start(self, *command, env=None, log="log"):
        """Starts something there that goes on."""
        with open(self.dir / log, "ab") as out:
            return subprocess.Popen(
                self.command(*command), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=ENVIRONMENT if env is None else env,
            )

    def log(self):
        """The last lines of what nodes said there."""
        said = [self.dir / "log", self.dir / "var/lib/upper/roster.log"]
        texts = [path.read_text(errors="replace") for path in said if path.exists()]
        return "".join("".join(f"    {line}\n" for line in text.splitlines()[-15:]) for text in texts)

    def lose(self):
        """The machine is gone, and its disk with it."""
        self.holder.kill()
        self.holder.wait()


class Network:
    """A bridge, and the machines on it."""

    def __init__(self, binary):
        if os.geteuid():
            sys.exit("needs root: network namespaces are made")
        self.binary = pathlib.Path(binary).resolve()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="roster-deploy-"))
        self.numbers = itertools.count(1)
        self.hosts = []
        self.switch = Host(self, "switch", None)
        self.hosts.append(self.switch)
        self.switch.sh("ip link add bridge type bridge && ip link set bridge up")

    def host(self, name, address):
        """A new machine."""
        host = Host(self, name, address)
        self.hosts.append(host)
        return host

    def plug_in(self, host):
        port = f"port{next(self.numbers)}"
        subprocess.run(
            ["ip", "link", "add", port, "netns", str(self.switch.pid), "type", "veth", "peer", "name", "eth0", "netns",
             str(host.pid)],
            check=True,
        )
        self.switch.sh(f"ip link set {port} master bridge up")
        # The same for whoever has this address, or neighbours would go on sending to a machine that was replaced.
        mac = "02:00:" + ":".join(f"{int(part):02x}" for part in host.address.split("."))
        host.sh(
            f"ip link set eth0 address {mac}; ip address add {host.address}/24 dev eth0; ip link set eth0 up;"
            " ip route add default dev eth0"
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for host in self.hosts:
            host.lose()
        shutil.rmtree(self.dir, ignore_errors=True)
