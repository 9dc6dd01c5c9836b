"""The older Python client of the suite: nacos-sdk-python over HTTP. Roles and lines: see ../README.md."""

import os
import sys

from nacos import NacosClient
from nacos.listener import SubscribeListener

BEATS = ("preserved.heart.beat.interval", "preserved.heart.beat.timeout", "preserved.ip.delete.timeout")
POLL = 1  # seconds between two polls of a subscription; the SDK's own choice is 7


def say(*words):
    print(*words, flush=True)


def show(hosts):
    """The list as text: sorted `ip:port/version/weight`, `!` after unhealthy ones, or `-` when it is empty."""
    return ",".join(sorted(show_one(host) for host in hosts)) or "-"


def show_one(host):
    health = "" if host["healthy"] else "!"
    return f"{host['ip']}:{host['port']}/{host['metadata'].get('version')}/{host['weight']:.0f}{health}"


def commands():
    """The words of each line on stdin, up to `quit` or the end of input."""
    for line in sys.stdin:
        if line.strip() == "quit":
            return
        yield line.split()


class Publisher:
    def __init__(self, client, service, address, beats):
        self.client = client
        self.service = service
        self.ip, port = address.split(":")
        self.port = int(port)
        self.beats = dict(zip(BEATS, beats.split(",")))
        self.version = 1

    def add(self, port, **options):
        return self.client.add_naming_instance(
            self.service,
            self.ip,
            port,
            weight=self.version,
            metadata=self.metadata(),
            heartbeat_interval=int(self.beats[BEATS[0]]) / 1000,  # the SDK beats only when told
            **options,
        )

    def metadata(self):
        return {"version": str(self.version), **self.beats}

    def register(self):
        return self.add(self.port)

    def update(self, version):
        self.version = int(version)
        return self.register()

    def deregister(self):
        return self.client.remove_naming_instance(self.service, self.ip, self.port)

    def batch(self):
        return self.register() and self.add(self.port + 1, cluster_name="east", healthy=False)

    def unbatch(self):
        return self.client.remove_naming_instance(self.service, self.ip, self.port + 1, cluster_name="east")

    def override(self, version):
        self.version = int(version)
        return self.client.modify_naming_instance(
            self.service,
            self.ip,
            self.port,
            cluster_name="None",  # so the SDK calls it at registration when it is given none, but not here
            weight=self.version,
            metadata=self.metadata(),
        )


def publish(client, service, address, beats):
    publisher = Publisher(client, service, address, beats)
    if not publisher.register():
        raise RuntimeError("register returned False")
    say("READY")
    actions = {"update", "register", "deregister", "batch", "unbatch", "override"}
    for action, *arguments in commands():
        try:
            done = action in actions and getattr(publisher, action)(*arguments)
            say("OK" if done else "FAILED", action)
        except Exception as error:
            say("FAILED", action, repr(error))


def watch(client, service):
    def known():
        instances = client.subscribed_local_manager.get_local_instances(service) or {}
        return show(each.instance for each in instances.values())

    listener = SubscribeListener(lambda event, instance: say("LIST", known()), "suite")
    client.subscribe(listener, POLL, service_name=service)
    for timer in client.subscribe_timer_manager.all_timers().values():
        timer.set_ignore_ex(True)  # otherwise the first poll that fails is the last one
    say("READY")
    say("LIST", known())  # the SDK does not call the listener for what it finds first
    for _ in commands():
        pass
    client.stop_subscribe()


def query(client, service):
    def hosts(**options):
        return show(client.list_naming_instance(service, **options)["hosts"])

    say("STATUS ?")
    say("ALL", hosts())
    say("HEALTHY", hosts(healthy_only=True))
    say("EAST", hosts(clusters="east"))
    say("SERVICES ?")


def main(server, role, *arguments):
    client = NacosClient(
        server, username=os.environ.get("NACOS_USERNAME"), password=os.environ.get("NACOS_PASSWORD"), logDir="logs"
    )
    {"publish": publish, "watch": watch, "query": query}[role](client, *arguments)
    os._exit(0)  # a timer that polls at this moment would start anew and keep the process alive


main(*sys.argv[1:])
