"""The StatefulSet of deploy/kubernetes on machines of their own: what Kubernetes would do to its pods, by what the manifest says.

A pod is a machine with a read-only root, a claim as its only disk, the manifest's command, user and environment. Names are
found through one file of hosts, in which a pod appears when it is started, and with another address each time.
"""

import itertools
import time

import yaml
from hosts import DEPLOY, PATH, Failed, Network, wait_for

SUBNET = "198.51.100."
CLIENT = SUBNET + "250"


class Pod:
    """One pod, from its start to its end. Its claim outlives it."""

    def __init__(self, cluster, number):
        self.cluster, self.name = cluster, f"roster-{number}"
        self.address = SUBNET + str(next(cluster.addresses))
        self.host = cluster.network.host(self.name, self.address)
        claim = cluster.network.dir / f"claim-{self.name}"
        claim.mkdir(exist_ok=True)
        user = cluster.spec["securityContext"]["runAsUser"]
        settings = cluster.settings.replace("'", "'\\''")
        self.host.sh(
            f"""
            mkdir -p /var/lib/roster /etc/roster
            mount --bind {claim} /var/lib/roster
            chown {user}:{cluster.spec["securityContext"]["fsGroup"]} /var/lib/roster
            printf %s '{settings}' > /etc/roster/roster.toml
            install -m 0755 roster /usr/local/bin/roster
            mount --bind {cluster.hosts} /etc/hosts
            """
        )
        if cluster.container["securityContext"]["readOnlyRootFilesystem"]:
            self.host.sh("cd /; umount -l /srv; for at in / /etc /usr/local /var/lib; do mount -o remount,bind,ro $at; done")
        cluster.name(self)
        self.process = self.host.start(*self.command(), env=self.environment())

    def command(self):
        security = self.cluster.spec["securityContext"]
        ids = [f"--reuid={security['runAsUser']}", f"--regid={security['runAsGroup']}", "--clear-groups"]
        caps = ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
        container = self.cluster.container
        start = ["sh", "-c", 'echo $$ > /run/pid && exec "$@"', "start"]
        return [*start, "setpriv", *ids, *caps, *container["command"], *container["args"]]

    def environment(self):
        env = {"PATH": PATH}
        for variable in self.cluster.container["env"]:
            source = variable.get("valueFrom", {})
            if "fieldRef" in source:
                assert source["fieldRef"]["fieldPath"] == "metadata.name", source
                env[variable["name"]] = self.name
            elif "secretKeyRef" in source:
                assert source["secretKeyRef"]["optional"], "there is no secret here"
            else:
                env[variable["name"]] = variable["value"]
        if self.cluster.spec.get("enableServiceLinks", True):
            env |= {"ROSTER_SERVICE_HOST": SUBNET + "1", "ROSTER_PORT": f"tcp://{SUBNET}1:8848"}
        return env

    def answers(self, probe):
        """Whether a probe of the manifest says yes."""
        get = self.cluster.container[probe]["httpGet"]
        ports = {port["name"]: port["containerPort"] for port in self.cluster.container["ports"]}
        url = f"http://{self.address}:{ports[get['port']]}{get['path']}"
        seconds = self.cluster.container[probe]["timeoutSeconds"]
        try:
            self.cluster.client.sh(f"curl --fail --silent --max-time {seconds} {url}")
        except Failed:
            return False
        return True

    def await_ready(self):
        started = self.cluster.container["startupProbe"]
        patience = started["periodSeconds"] * started["failureThreshold"]
        wait_for(f"{self.name} has started", lambda: self.answers("startupProbe"), patience)
        wait_for(f"{self.name} is ready", lambda: self.answers("readinessProbe"), 40)

    def end(self):
        """As Kubernetes ends a pod: the hook, the signal, and no more than the time of grace for both."""
        began, grace = time.monotonic(), self.cluster.spec["terminationGracePeriodSeconds"]
        hook = self.cluster.container["lifecycle"]["preStop"]["exec"]["command"]
        self.host.sh(" ".join(hook), seconds=grace, shell="sh")
        self.host.sh("kill -TERM $(cat /run/pid)")
        code = self.process.wait(grace - (time.monotonic() - began))
        if code:
            raise Failed(f"{self.name} ended with {code}\n{self.host.log()}")
        self.host.lose()
        return time.monotonic() - began


class StatefulSet:
    """The pods, by number, and who finds them."""

    def __init__(self, network):
        self.network = network
        manifest = yaml.safe_load((DEPLOY / "kubernetes/statefulset.yaml").read_text())
        self.replicas, self.spec = manifest["spec"]["replicas"], manifest["spec"]["template"]["spec"]
        self.container = self.spec["containers"][0]
        self.service = manifest["spec"]["serviceName"]
        self.settings = yaml.safe_load((DEPLOY / "kubernetes/settings.yaml").read_text())["data"]["roster.toml"]
        self.addresses, self.names = itertools.count(11), {}
        self.hosts = network.dir / "hosts"
        self.hosts.write_text("127.0.0.1 localhost\n")
        self.client = network.host("client", CLIENT)
        self.client.sh(f"install -m 0755 roster /usr/local/bin/roster; mount --bind {self.hosts} /etc/hosts")
        self.pods = {}

    def name(self, pod):
        self.names[pod.name] = pod.address
        lines = [f"{address} {name}.{self.service}\n" for name, address in self.names.items()]
        # In place: others have mounted this very file.
        self.hosts.write_text("127.0.0.1 localhost\n" + "".join(lines))

    def start(self, number):
        self.pods[number] = Pod(self, number)

    def at(self, number):
        return f"roster-{number}.{self.service}:8848"

    def await_members(self, voters):
        """All nodes that run are up for each other, and so many vote."""
        for number in self.pods:
            script = f"""
                until test "$(roster cluster status --server {self.at(number)} | grep -c ' up ')" = {len(self.pods) - 1} &&
                      test "$(roster cluster status --server {self.at(number)} | grep -cE '8848 +[0-9a-f]+ +yes')" = {voters}
                do sleep 0.2; done"""
            self.client.sh(script, seconds=60)

    def write(self, name):
        self.client.sh(f"roster instance register {name} --ip 10.0.0.9 --port 5432 --persistent --server {self.at(0)}")

    def read(self, *names):
        for number, name in itertools.product(self.pods, names):
            script = f"until roster instance list {name} --server {self.at(number)} | grep 10.0.0.9; do sleep 0.2; done"
            self.client.sh(script, seconds=30)


def run(roster, report):
    """From nothing to three pods, through an update, a lost claim, and more and fewer pods."""
    with Network(roster) as network:
        pods = StatefulSet(network)
        for number in range(pods.replicas):
            pods.start(number)
            # The names of those that follow are not there yet.
            time.sleep(1)
        for pod in pods.pods.values():
            pod.await_ready()
            assert pod.answers("livenessProbe")
        pods.await_members(3)
        pods.write("first")
        pods.read("first")
        report("passed", "statefulset: three pods found a cluster, though names appear one by one")

        took = []
        for number in reversed(range(pods.replicas)):
            took.append(pods.pods.pop(number).end())
            pods.start(number)
            pods.pods[number].await_ready()
            pods.await_members(3)
        pods.read("first")
        times = ", ".join(f"{seconds:.1f} s" for seconds in took)
        report("passed", f"statefulset: an update pod by pod, each with another address after it (ended within {times})")

        for number in (1, 2):
            pods.pods.pop(number).host.lose()
        survivor = pods.pods[0]
        time.sleep(5)
        assert survivor.answers("livenessProbe") and survivor.answers("readinessProbe")
        report("passed", "statefulset: with two pods of three gone the third stays live and ready")

        for number in (1, 2):
            pods.start(number)
        pods.await_members(3)
        pods.pods.pop(1).host.lose()
        claim = network.dir / "claim-roster-1"
        claim.rename(network.dir / "removed")
        pods.start(1)
        pods.await_members(3)
        pods.read("first")
        report("passed", "statefulset: a pod without its claim comes back as another member")

        pods.start(3)
        pods.pods[3].await_ready()
        pods.await_members(4)
        pods.write("second")
        pods.read("first", "second")
        pods.client.sh(f"roster cluster leave --server {pods.at(3)}")
        if pods.pods.pop(3).process.wait(20):
            raise Failed("the pod that left did not end with 0")
        pods.await_members(3)
        report("passed", "statefulset: a fourth pod joins by itself, leaves and ends")
