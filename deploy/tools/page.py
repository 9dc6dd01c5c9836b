"""The blocks of commands of a page, and what is to happen before and after each.

    ```sh on n1            run on this machine, or on all of several: `on n1 n2 n3`
    ```sh needs a cluster  for a cluster of Docker's or Kubernetes's: read by a shell and not run

A comment of the page behind a block says what the block must have printed: `<!-- shows: two words -->`. One anywhere says what
happens to machines: `<!-- do: lose n3 -->`.
"""

import re

FENCE = re.compile(r"^```(\w+) ?(.*)$")
NOTE = re.compile(r"^<!-- (shows|do): (.*) -->$")


class Block:
    """Commands, and where they are run."""

    def __init__(self, line, where):
        self.line, self.text, self.shows = line, "", []
        self.needs_a_cluster = where == "needs a cluster"
        self.hosts = where.removeprefix("on ").split() if where.startswith("on ") else []


class Step:
    """Something that happens to machines."""

    def __init__(self, line, words):
        self.line, self.words = line, words.split()


def steps(text):
    """All blocks of commands and all steps, in their order. A block that does not say where it runs is an error."""
    found, block, inside = [], None, False
    for number, line in enumerate(text.splitlines(), 1):
        fence, note = FENCE.match(line), NOTE.match(line)
        if inside:
            if line == "```":
                inside = False
            elif block:
                block.text += line + "\n"
        elif fence:
            inside, block = True, None
            if fence[1] in ("sh", "bash", "console", "shell"):
                block = Block(number, fence[2])
                if not block.hosts and not block.needs_a_cluster:
                    raise SystemExit(f"line {number}: commands that do not say where they run")
                found.append(block)
        elif note and note[1] == "do":
            found.append(Step(number, note[2]))
        elif note:
            block.shows.append(note[2])
    return found
