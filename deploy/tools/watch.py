"""An instance that beats, and everybody who lists it: it must never be missing while nodes come and go.

    watch.py STOP ADDRESS...    until the file STOP exists; prints how many lists were read, fails if one lacked the instance

A node that does not answer, or says that it does not serve (503), is none that shows a wrong list.
"""

import itertools
import json
import pathlib
import sys
import time
import urllib.error
import urllib.request

INSTANCE = "serviceName=watched&ip=192.0.2.200&port=8080"


def ask(method, address, path):
    request = urllib.request.Request(f"http://{address}/nacos/v1/ns/{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            return answer.read()
    except (urllib.error.URLError, OSError):
        return None


def main():
    stop, addresses = pathlib.Path(sys.argv[1]), sys.argv[2:]
    turns = itertools.cycle(addresses)
    until = time.monotonic() + 10
    while not ask("POST", next(turns), f"instance?{INSTANCE}"):
        assert time.monotonic() < until, "nobody took the registration"
    time.sleep(1)
    read, missing, beaten = 0, [], time.monotonic()
    while not stop.exists():
        if time.monotonic() - beaten > 2:
            # As an SDK does: the next address if one does not answer.
            if any(ask("PUT", next(turns), f"instance/beat?{INSTANCE}") for _ in addresses):
                beaten = time.monotonic()
        for address in addresses:
            answer = ask("GET", address, "instance/list?serviceName=watched")
            if answer is not None:
                read += 1
                if not json.loads(answer)["hosts"]:
                    missing.append(f"{address} after {read} lists")
        time.sleep(0.1)
    print(f"{read} lists, {len(missing)} without the instance", *missing[:5], sep="\n    ")
    sys.exit(1 if missing else 0)


main()
