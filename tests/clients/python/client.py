"""The Python client of the suite: nacos-sdk-python over gRPC. Roles and lines: see ../README.md."""

import asyncio
import os
import sys

from v2.nacos import (
    BatchRegisterInstanceParam,
    ClientConfigBuilder,
    DeregisterInstanceParam,
    ListInstanceParam,
    ListServiceParam,
    NacosNamingService,
    RegisterInstanceParam,
    SubscribeServiceParam,
)


def say(*words):
    print(*words, flush=True)


def show(instances):
    """The list as text: sorted `ip:port/version/weight`, `!` after unhealthy ones, or `-` when it is empty."""
    return ",".join(sorted(show_one(instance) for instance in instances)) or "-"


def show_one(i):
    return f"{i.ip}:{i.port}/{i.metadata.get('version')}/{i.weight:.0f}{'' if i.healthy else '!'}"


async def commands():
    """The words of each line on stdin, up to `quit` or the end of input."""
    loop = asyncio.get_running_loop()
    while words := (await loop.run_in_executor(None, sys.stdin.readline)).split():
        if words == ["quit"]:
            return
        yield words


async def connect(server):
    config = (
        ClientConfigBuilder()
        .server_address(server)
        .username(os.environ.get("NACOS_USERNAME"))
        .password(os.environ.get("NACOS_PASSWORD"))
        .log_dir("logs")
        .cache_dir("cache")
        .load_cache_at_start(False)
        .build()
    )
    config.update_cache_when_empty = True  # otherwise the SDK hides the departure of the last instance
    return await NacosNamingService.create_naming_service(config)


class Publisher:
    def __init__(self, naming, service, address, ephemeral):
        self.naming = naming
        self.ephemeral = ephemeral
        self.service = service
        self.ip, port = address.split(":")
        self.port = int(port)
        self.version = 1

    def instance(self, port, cluster="DEFAULT", healthy=True):
        return RegisterInstanceParam(
            service_name=self.service,
            ip=self.ip,
            port=port,
            cluster_name=cluster,
            healthy=healthy,
            weight=self.version,
            ephemeral=self.ephemeral,
            metadata={"version": str(self.version)},
        )

    def second(self):
        return self.instance(self.port + 1, cluster="east", healthy=False)

    async def update(self, version):
        self.version = int(version)
        return await self.naming.update_instance(self.instance(self.port))

    async def register(self):
        return await self.naming.register_instance(self.instance(self.port))

    async def deregister(self):
        return await self.naming.deregister_instance(
            DeregisterInstanceParam(
                service_name=self.service,
                ip=self.ip,
                port=self.port,
                cluster_name="DEFAULT",
                ephemeral=self.ephemeral,
            )
        )

    async def batch(self):
        both = [self.instance(self.port), self.second()]
        return await self.naming.batch_register_instances(
            BatchRegisterInstanceParam(service_name=self.service, instances=both)
        )

    async def unbatch(self):
        return await self.naming.batch_deregister_instances(
            BatchRegisterInstanceParam(service_name=self.service, instances=[self.second()])
        )


async def keep(naming, service, address):
    await publish(naming, service, address, ephemeral=False)


async def publish(naming, service, address, ephemeral=True):
    publisher = Publisher(naming, service, address, ephemeral)
    if not await publisher.register():
        raise RuntimeError("register returned False")
    say("READY")
    actions = {"update", "register", "deregister", "batch", "unbatch"}
    async for action, *arguments in commands():
        try:
            done = action in actions and await getattr(publisher, action)(*arguments)
            say("OK" if done else "FAILED", action)
        except Exception as error:
            say("FAILED", action, repr(error))


async def watch(naming, service):
    async def changed(instances):
        say("LIST", show(instances))

    await naming.subscribe(SubscribeServiceParam(service_name=service, subscribe_callback=changed))
    say("READY")
    async for _ in commands():
        pass


async def query(naming, service):
    async def instances(clusters=(), healthy_only=None):
        return await naming.list_instances(
            ListInstanceParam(
                service_name=service, clusters=list(clusters), healthy_only=healthy_only, subscribe=False
            )
        )

    say("STATUS", "UP" if await naming.server_health() else "DOWN")
    say("ALL", show(await instances()))
    say("HEALTHY", show(await instances(healthy_only=True)))
    say("EAST", show(await instances(clusters=["east"])))
    services = await naming.list_services(ListServiceParam(page_no=1, page_size=1000))
    say("SERVICES", ",".join(sorted(services.services)) or "-")


async def main(server, role, service, *address):
    naming = await connect(server)
    await {"publish": publish, "keep": keep, "watch": watch, "query": query}[role](naming, service, *address)
    await naming.shutdown()


asyncio.run(main(*sys.argv[1:]))
