"""The compose file on machines of their own: its commands and environment, and what the Dockerfile adds to them."""

import re

import yaml
from hosts import DEPLOY, PATH, Network

SUBNET = "203.0.113."


def image():
    """What the Dockerfile sets: environment, user, entry point, health check."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    words = lambda key: re.findall(rf"^{key}.*?(\[.*\])", text, re.M)[-1]
    env = dict(pair.split("=", 1) for pair in re.search(r"^ENV (.*)$", text, re.M)[1].split())
    return {
        "env": env,
        "user": re.search(r"^USER (\d+):\d+$", text, re.M)[1],
        "entrypoint": yaml.safe_load(words("ENTRYPOINT")),
        "health": yaml.safe_load(words("HEALTHCHECK")),
    }


def run(roster, report):
    """All services, until each is healthy and each shows what was written to another one."""
    built = image()
    services = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())["services"]
    addresses = {name: SUBNET + str(number) for number, name in enumerate(services, 11)}
    with Network(roster) as network:
        names = network.dir / "hosts"
        names.write_text("127.0.0.1 localhost\n" + "".join(f"{at} {name}\n" for name, at in addresses.items()))
        machines = {}
        for name, service in services.items():
            machines[name] = machine = network.host(name, addresses[name])
            machine.sh(
                f"""
                mount --bind {names} /etc/hosts
                install -m 0755 roster /usr/local/bin/roster
                install -d -o {built["user"]} -g {built["user"]} -m 0700 /var/lib/roster
                """
            )
            given = {key: value for key, value in service["environment"].items() if value is not None}
            drop = [f"--reuid={built['user']}", f"--regid={built['user']}", "--clear-groups", "--bounding-set=-all"]
            command = [*built["entrypoint"], *service["command"]]
            machine.start("setpriv", *drop, *command, env={"PATH": PATH} | built["env"] | given)
        health = " ".join(built["health"])
        for machine in machines.values():
            machine.sh(f"until {health}; do sleep 0.2; done")
        first, last = list(machines.values())[0], list(machines.values())[-1]
        first.sh("until roster cluster status | grep -q 'leader roster'; do sleep 0.2; done")
        first.sh("roster instance register ledger --ip 10.0.0.9 --port 5432 --persistent")
        last.sh("until roster instance list ledger | grep 10.0.0.9; do sleep 0.2; done")
        report("passed", f"compose: {len(machines)} services are healthy and one cluster")
