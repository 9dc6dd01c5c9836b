"""Runs docs/deploying.md from its first command to its last, on machines as it describes them."""

import pathlib
import subprocess
import sys

import cache
import page
from hosts import DEPLOY, Failed, Network

PAGE = DEPLOY.parent / "docs/deploying.md"
TOOLS = DEPLOY / "tools"
SUBNET = "192.0.2."
NUMBERS = {"n1": 11, "n2": 12, "n3": 13, "n4": 14, "client": 100, "proxy": 10}
# What sets up a machine on the page, for machines that a step makes anew.
SET_UP = """
install -m 0755 roster /usr/local/bin/roster
install -D -m 0644 deploy/systemd/roster.sysusers.conf /etc/sysusers.d/roster.conf
systemd-sysusers
install -D -m 0644 deploy/systemd/roster.toml /etc/roster/roster.toml
sed -i 's/^advertise = .*/advertise = "ADDRESS:8848"/' /etc/roster/roster.toml
(umask 077 && echo 'ROSTER_PEER_SECRET=change-me' > /etc/roster/secret.env)
install -D -m 0644 deploy/systemd/roster.service /etc/systemd/system/roster.service
"""


class Walk:
    """The page, half way through."""

    def __init__(self, network, report):
        self.network, self.report = network, report
        self.hosts, self.watch = {}, None
        self.machine("client").sh("install -m 0755 roster /usr/local/bin/roster")
        for name in ("n1", "n2", "n3"):
            self.machine(name)

    def machine(self, name):
        host = self.network.host(name, SUBNET + str(NUMBERS[name]))
        host.sh("install -m 0755 deploy/tools/systemctl /usr/local/bin/systemctl")
        self.hosts[name] = host
        return host

    def block(self, block):
        try:
            printed = "".join(self.hosts[name].sh(block.text) for name in block.hosts)
        except Failed as failure:
            logs = "".join(f"  {name}:\n{host.log()}" for name, host in self.hosts.items() if name not in block.hosts)
            raise Failed(f"line {block.line}: {failure}\n{logs}") from None
        missing = [words for words in block.shows if words not in printed]
        if missing:
            raise Failed(f"line {block.line} did not show {missing} but\n{printed}")
        self.report("passed", f"line {block.line} on {' '.join(block.hosts)}")

    def step(self, words):
        match words:
            case ["lose", name]:
                self.hosts.pop(name).lose()
                # A machine of that name is a new one; the page sets it up again.
                if name != "n4":
                    self.machine(name)
            case ["machine", name]:
                self.machine(name)
            case ["set", "up", *names]:
                for name in names:
                    if name != "n1":
                        self.hosts.pop(name).lose()
                        self.machine(name)
                    self.hosts[name].sh(SET_UP.replace("ADDRESS", self.hosts[name].address))
            case ["copy", file, "to", name]:
                copy = self.network.dir / file
                client, to = self.hosts["client"], self.hosts[name]
                client.sh(f"cp {file} {copy}")
                to.sh(f"cp {copy} {file}")
            case ["watch", "lists"]:
                self.begin_watch()
            case ["end", "of", "watch"]:
                self.end_watch()
            case ["proxies"]:
                self.proxies()
            case _:
                raise Failed(f"the page wants `{' '.join(words)}`, which nobody knows")

    def begin_watch(self):
        addresses = [f"{self.hosts[name].address}:8848" for name in ("n1", "n2", "n3")]
        stop = self.network.dir / "stop"
        self.watch = self.hosts["client"].start(sys.executable, TOOLS / "watch.py", stop, *addresses, log="watch")

    def end_watch(self):
        (self.network.dir / "stop").touch()
        code = self.watch.wait(30)
        said = (self.hosts["client"].dir / "watch").read_text().strip()
        if code:
            raise Failed(f"an instance was missing during the upgrade: {said}")
        self.report("passed", f"upgrade: {said}")

    def proxies(self):
        host = self.machine("proxy")
        commands = {
            "nginx": (cache.apt_program("nginx"), ["-g", "daemon off;", "-c", "/srv/roster/deploy/proxy/nginx.conf"]),
            "haproxy": (cache.apt_program("haproxy"), ["-db", "-f", "/srv/roster/deploy/proxy/haproxy.cfg"]),
            "envoy": (cache.VENV / "bin/envoy", ["-c", "/srv/roster/deploy/proxy/envoy.yaml", "--log-level", "warning"]),
        }
        for name, (program, arguments) in commands.items():
            if not program or not pathlib.Path(program).exists():
                self.report("skipped", f"{name} is not installed")
                continue
            running = host.start("sh", "-c", 'echo $$ > /run/proxy && exec "$@"', name, program, *arguments)
            try:
                self.through_proxy(name)
            finally:
                host.sh("kill $(cat /run/proxy) || true")
                running.wait(20)

    def through_proxy(self, name):
        """HTTP, probes, and gRPC clients with pushes, all by one address."""
        proxy = f"{SUBNET}{NUMBERS['proxy']}:8848"
        self.hosts["client"].sh(
            f"""
            roster health --ready --wait 20s --server {proxy}
            # Nodes are found ready one by one.
            sleep 3
            roster instance list ledger --server {proxy} | grep 10.0.0.9
            roster bench push --server {proxy} --subscribers 20 --rounds 5
            test "$(curl -s -o /dev/null -w '%{{http_code}}' http://{proxy}/roster/v1/cluster/backup)" = 403
            """
        )
        self.report("passed", f"through {name}: probes, HTTP, gRPC clients with pushes")


def run(roster, report):
    """All blocks and steps of the page, in order."""
    steps = page.steps(PAGE.read_text())
    with Network(roster) as network:
        walk = Walk(network, report)
        for step in steps:
            if isinstance(step, page.Step):
                walk.step(step.words)
            elif step.needs_a_cluster:
                if subprocess.run(["bash", "-n"], input=step.text, text=True).returncode:
                    raise Failed(f"line {step.line} is no shell")
                report("skipped", f"line {step.line} needs a cluster; its syntax is right")
            else:
                walk.block(step)
