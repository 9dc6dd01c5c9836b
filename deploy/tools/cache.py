"""Tools that are installed once, into ~/.cache/roster-deploy: Python packages, and programs in Go.

Not beside this file: every clone of the repository on a machine needs the same.
"""

import filecmp
import os
import pathlib
import shutil
import subprocess
import sys

DEPLOY = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "roster-deploy"
VENV = CACHE / "venv"
WANTED = DEPLOY / "requirements.txt"


def packages():
    """The directory of programs of requirements.txt, installed if they are not; None if they cannot be."""
    installed = VENV / "installed"
    if not (installed.exists() and filecmp.cmp(WANTED, installed, shallow=False)):
        shutil.rmtree(VENV, ignore_errors=True)
        pip = [VENV / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", WANTED]
        for command in ([sys.executable, "-m", "venv", VENV], pip):
            if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
                return None
        shutil.copy(WANTED, installed)
    return VENV / "bin"


def use_packages(script):
    """Goes on with Python packages at hand."""
    bin = packages()
    if bin is None:
        sys.exit("cannot install what deploy/requirements.txt names")
    if pathlib.Path(sys.prefix).resolve() != VENV.resolve():
        os.execv(bin / "python", [bin / "python", script, *sys.argv[1:]])


def go_program(name, package):
    """A program in Go, built if it is not there; None if it cannot be."""
    program = CACHE / "bin" / f"{name}-{package.rsplit('@')[-1]}"
    if not program.exists():
        if not shutil.which("go"):
            return None
        made = CACHE / "go"
        done = subprocess.run(["go", "install", package], env=os.environ | {"GOBIN": str(made)}, capture_output=True)
        built = made / package.rsplit("@")[0].rsplit("/")[-1]
        if done.returncode or not built.exists():
            return None
        program.parent.mkdir(parents=True, exist_ok=True)
        built.rename(program)
    return program


def apt_program(name):
    """A program of the system's packages, by its path; None if it is not installed."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
