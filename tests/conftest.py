"""What all tests share: throw-away folders, the real data where it is, and a limit on skipped tests."""

import fnmatch
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from PIL import Image

from dlcourse import paths
from dlcourse.classroom import pdf

TESTS = Path(__file__).resolve().parent
REAL_FILES = ("mnist/mnist.npz", "cifar10/cifar10.npz", "imdb/reviews.npz", "imdb/imdb_word_index.json")


def pytest_configure(config):
    # A plugin of its own, since the hooks of a conftest in a folder see that folder's tests only, not the notebooks.
    config.pluginmanager.register(SkipPolicy(TESTS / "allowed_skips.txt"), "dlcourse_skip_policy")
    _use_temporary_folders(config)


def _use_temporary_folders(config):
    """No test touches a trained model, not even where pytest was called without ``tests/run.py``."""
    unset = [name for name in ("OUTPUTS", "MODELS", "CACHE") if f"DLCOURSE_{name}" not in os.environ]
    if not unset:
        return
    folder = tempfile.mkdtemp(prefix="dlcourse test ")  # a space, as in many a student's path
    for name in unset:
        os.environ[f"DLCOURSE_{name}"] = os.path.join(folder, name.lower())

    def restore():
        for name in unset:
            os.environ.pop(f"DLCOURSE_{name}", None)
        shutil.rmtree(folder, ignore_errors=True)

    config.add_cleanup(restore)


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    """A folder for real data of the texts, with a space in its name, and a cache that no other test shares."""
    folder = tmp_path / "real data"
    monkeypatch.setenv("DLCOURSE_DATA", str(folder))
    monkeypatch.setenv("DLCOURSE_CACHE", str(tmp_path / "cache"))
    for name in ("imdb", "emojify", "glove"):
        (folder / name).mkdir(parents=True)
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real datasets, for tests marked ``real_data``; skips where they are not there."""
    missing = [name for name in REAL_FILES if not (paths.data() / name).exists()]
    if missing:
        pytest.skip(f"needs real data: {missing[0]} is not under {paths.data()} (DLCOURSE_DATA)")
    return paths.data()


class SkipPolicy:
    """Counts the skipped tests and fails the session if one of them is not listed in ``allowed_skips.txt``.

    A skipped test proves nothing, so only what a machine may lack excuses one: real data, a browser, a GPU.
    """

    NEEDS = ("real data", "browser", "GPU", "wheelhouse")

    def __init__(self, path: Path):
        self.path = path
        self.allowed = self.read(path)
        self.skipped: dict[str, str] = {}

    @classmethod
    def read(cls, path: Path) -> list[str]:
        """The patterns of test ids that may skip; every line names what the test needs."""
        patterns = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip() or line.startswith("#"):
                continue
            pattern, _, need = line.partition("  ")
            if need.strip() not in cls.NEEDS:
                raise pytest.UsageError(
                    f"{path.name}, line {number}: expected a pattern, two spaces and one of {', '.join(cls.NEEDS)}; "
                    f"got {line!r}"
                )
            patterns.append(pattern.strip())
        return patterns

    def unlisted(self) -> list[str]:
        """The ids of the tests that skipped without being listed."""
        # fnmatch takes [ for the start of a character class, and the ids of parametrised tests hold one.
        return [
            test
            for test in self.skipped
            if not any(fnmatch.fnmatchcase(test, pattern.replace("[", "[[]")) for pattern in self.allowed)
        ]

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report):
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped[report.nodeid] = _reason(report)

    @pytest.hookimpl
    def pytest_collectreport(self, report):
        if report.skipped:  # a whole file, by importorskip for example
            self.skipped[report.nodeid] = _reason(report)

    @pytest.hookimpl
    def pytest_sessionfinish(self, session, exitstatus):
        if exitstatus == pytest.ExitCode.OK and self.unlisted():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter):
        unlisted = self.unlisted()
        listed = len(self.skipped) - len(unlisted)
        terminalreporter.write_line(f"{len(self.skipped)} skipped, {listed} of them listed in tests/{self.path.name}")
        for test in unlisted:
            terminalreporter.write_line(f"NOT ALLOWED TO SKIP: {test} ({self.skipped[test]})", red=True)


def _reason(report) -> str:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


@pytest.fixture(scope="session")
def chromium():
    """Debian's Chromium or another, without a screen; skips where there is none."""
    from playwright.sync_api import sync_playwright

    path = pdf.browser()
    if not path:
        pytest.skip("needs a browser: no Chromium is installed (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of real data to fill, with a cache of its own."""
    monkeypatch.setenv("DLCOURSE_DATA", str(tmp_path / "real data"))
    monkeypatch.setenv("DLCOURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "real data"


def draw(file, value=128, mode="RGB", size=(20, 12)):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode in ("L", "I;16") else None).save(file)
    return file
