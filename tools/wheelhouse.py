#!/usr/bin/env python3
"""The pinned packages in a folder, from which pip installs without the internet: collect them, or find a collection.

usage: wheelhouse.py collect|options DATA_FOLDER

`collect` leaves them in wheelhouse/<Python and machine>/ of the data folder. `options` prints the options with which
pip installs from there, or from the same folder of a teacher's server (DLCOURSE_MIRROR), which comes first; it prints
nothing where there is no collection for this requirements.txt, this Python and this kind of machine. Needs nothing but
Python, since nothing is installed yet.
"""

import http.client
import os
import platform
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements.txt"
BUILDS_WITH = "setuptools>=77"  # what pyproject.toml asks for to install the course itself
# Wheels are built for one version of Python and one kind of machine, such as cpython-311-linux-x86_64.
COLLECTION = f"wheelhouse/{sys.implementation.cache_tag}-{sys.platform}-{platform.machine()}"


def collect(data: Path) -> int:
    """Replace the collection in the folder by one of today's requirements.txt; one that fails leaves the old one."""
    whole = data / COLLECTION
    part = whole.with_name(f"{whole.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
        done = subprocess.run([*pip, "--wheel-dir", part, "-r", REQUIREMENTS, BUILDS_WITH], check=False)
        if done.returncode:
            return done.returncode
        shutil.copyfile(REQUIREMENTS, part / "requirements.txt")
        shutil.rmtree(whole, ignore_errors=True)
        part.rename(whole)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    size = sum(file.stat().st_size for file in whole.iterdir())
    print(f"{whole}: {len(list(whole.glob('*.whl')))} packages, {size / 1e6:.0f} MB")
    return 0


def options(data: Path) -> str:
    """What pip is to be told; an empty string where it is to take the package index."""
    places = [(data / COLLECTION).resolve().as_uri()]
    if mirror := os.environ.get("DLCOURSE_MIRROR"):
        places.insert(0, f"{mirror.rstrip('/')}/{COLLECTION}")
    here = (data / COLLECTION).parent
    if here.is_dir() and not (data / COLLECTION).is_dir():
        found = ", ".join(sorted(path.name for path in here.iterdir())) or "nothing"
        print(f"{here} holds {found}; this machine needs {Path(COLLECTION).name}: not used", file=sys.stderr)
    for place in places:
        try:
            with urllib.request.urlopen(f"{place}/requirements.txt", timeout=20) as file:
                collected_for = file.read()
        except (OSError, ValueError, http.client.HTTPException) as error:
            if not place.startswith("file:"):  # asked for by name, unlike the folder, which few have
                print(f"no packages at {place} ({getattr(error, 'reason', error)}): not used", file=sys.stderr)
            continue
        if collected_for == REQUIREMENTS.read_bytes():
            host = urlsplit(place).netloc
            return f"--no-index --find-links {place}/" + (f" --trusted-host {host}" if host else "")
        print(f"{place} was collected for another requirements.txt: not used", file=sys.stderr)
    return ""


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["collect", folder]:
            sys.exit(collect(Path(folder)))
        case ["options", folder]:
            if found := options(Path(folder)):
                print(found)
        case _:
            sys.exit("expected: wheelhouse.py collect|options DATA_FOLDER")
