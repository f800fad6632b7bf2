"""The image of the service: its Dockerfile is sound, and its steps, done by hand, give a service that answers."""

import fnmatch
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from packaging.requirements import Requirement
from serving import ROOT, free_port, running, save_emojify

DOCKERFILE = ROOT / "deploy" / "Dockerfile"


@pytest.fixture(scope="module")
def steps():
    """The Dockerfile's instructions in order, as pairs of name and arguments."""
    content = re.sub(r"\\\n", " ", DOCKERFILE.read_text(encoding="utf-8"))
    lines = [line.strip() for line in content.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(None, 1)) for line in lines]


@pytest.fixture(scope="module")
def requirements():
    lines = (ROOT / "deploy" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.strip().startswith("#")]


def test_hadolint_finds_nothing():
    found = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), DOCKERFILE], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (0, "")


def test_the_image_is_pinned_and_its_user_is_not_root(steps, requirements):
    (base,) = [arguments for name, arguments in steps if name == "FROM"]
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base)
    names = [name for name, _ in steps]
    assert names.index("USER") < names.index("CMD")
    assert [arguments for name, arguments in steps if name == "USER"] != ["root"]
    assert {"EXPOSE", "HEALTHCHECK"} <= set(names)
    assert [str(one) for one in requirements if [pin.operator for pin in one.specifier] != ["=="]] == []


def test_the_packages_are_those_of_the_project(requirements):
    project = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert [str(one.specifier) for one in requirements if f"\n{one.name}{one.specifier}" not in project] == []


def test_the_steps_give_a_service_that_answers(steps, requirements, tmp_path):
    context, app, venv = tmp_path / "context", tmp_path / "app", tmp_path / "venv"
    shutil.copytree(ROOT / "dlcourse", context / "dlcourse", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "deploy", context / "deploy")
    save_emojify(context / "models" / "emojify_lstm.h5")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    app.mkdir()
    environment, port = {"PATH": f"{venv / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path)}, free_port()
    command = health = None
    for name, arguments in steps:
        if name == "ENV":
            environment |= dict(pair.split("=", 1) for pair in shlex.split(arguments))
        elif name == "COPY":
            source, target = shlex.split(arguments)
            admitted = copied(context, source, app / target)
            assert admitted, f"COPY {source} finds nothing that .dockerignore admits"
        elif name == "RUN" and arguments.startswith("pip install"):
            assert "--requirement deploy/requirements.txt" in arguments
            assert (app / "deploy" / "requirements.txt").is_file()
            install(requirements, venv)
        elif name == "CMD":
            command = json.loads(arguments)
        elif name == "HEALTHCHECK":
            health = json.loads(arguments.partition("CMD ")[2])
    assert environment["DLCOURSE_SERVE_PORT"] == "7860"
    environment["DLCOURSE_SERVE_PORT"] = str(port)  # here another may use 7860
    started = {"cwd": app, "env": environment, "command": command, "port": port}
    with running(tmp_path, **started) as served:
        subprocess.run(health, cwd=app, env=environment, check=True)
        answer = requests.post(f"{served.address}/predict", json={"text": "I love you"}, timeout=30).json()
        assert answer["emoji_meaning"] == "love"
        assert requests.get(f"{served.address}/demo/", timeout=30).status_code == 200
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(30) == 0
    assert subprocess.run(health, cwd=app, env=environment, check=False, capture_output=True).returncode != 0


def copied(context: Path, source: str, target: Path) -> list[Path]:
    """Do as COPY does: only what .dockerignore does not hold back; returns the files."""
    rules = [line.strip() for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()]
    rules = [rule for rule in rules if rule and not rule.startswith("#")]

    def admitted(path: str) -> bool:
        kept = True
        for rule in rules:
            pattern, keep = rule.removeprefix("!"), rule.startswith("!")
            parents = [str(parent) for parent in [Path(path), *Path(path).parents]]
            if any(fnmatch.fnmatchcase(one, pattern.removeprefix("**/")) or fnmatch.fnmatchcase(one, pattern)
                   for one in parents if one != "."):  # fmt: skip
                kept = keep
        return kept

    whole = context / source
    files = [path for path in ([whole] if whole.is_file() else whole.rglob("*")) if path.is_file()]
    files = [path for path in files if admitted(str(path.relative_to(context)))]
    for path in files:
        to = target if path == whole else target / path.relative_to(whole)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    return files


def install(requirements: list[Requirement], venv: Path) -> None:
    """What pip would do, without a network: the pinned packages, and no other, taken from this environment."""
    (site,) = (venv / "lib").glob("python*/site-packages")
    for one in requirements:
        if one.marker and not one.marker.evaluate():
            continue
        found = importlib.metadata.distribution(one.name)
        assert one.specifier.contains(found.version), f"{one} is pinned, {found.version} is here: `make setup`"
        for top in {path.parts[0] for path in found.files if path.parts[0] not in ("..", "__pycache__")}:
            if not (site / top).exists():
                os.symlink(found.locate_file(top), site / top)
