"""What the scripts need from PyPI and npm, under `target/`; what cannot be had is an error."""

import pathlib
import shutil
import subprocess
import sys


def need(**tools):
    """Each tool with the Debian package that has it."""
    for tool, package in tools.items():
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is needed (Debian: {package})")


def pypi(cache, *requirements):
    """Installs into an environment of its own, makes it importable here, and returns its interpreter."""
    environment = pathlib.Path(cache) / "venv"
    python = environment / "bin" / "python"
    if not python.exists():
        environment.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
    subprocess.run(pip, check=True)
    found = list(environment.glob("lib/python*/site-packages"))
    if len(found) != 1:
        sys.exit(f"{environment} is of several Pythons: remove it")
    sys.path.insert(0, str(found[0]))
    return python


def npm(cache, manifest):
    """Installs what a package.json names beside a copy of it."""
    cache = pathlib.Path(cache)
    cache.mkdir(parents=True, exist_ok=True)
    shutil.copy(manifest, cache / "package.json")
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel", "error"], cwd=cache, check=True)


def gateway(root, given):
    """The binary that is tested: the one that was named, or a debug build."""
    if given is None:
        subprocess.run(["cargo", "build", "--locked", "--bin", "rempart"], cwd=root, check=True)
        given = root / "target" / "debug" / "rempart"
    return pathlib.Path(given).resolve()
