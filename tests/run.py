"""Run pytest with every output in a temporary folder, so that no test can touch a trained model.

usage: python tests/run.py PATH...

Where `notebooks` are named, they are smoke-run by nbval in teaching order, and what can be done apart is done side by
side, two groups at a time: the lessons that use each other's models, the others, and the tests in three parts of about
the same length. What loads the models that lessons leave comes last. The real data, where it is, stays reachable for
the tests marked so.
"""

import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OFFLINE = "tests/test_offline.py"
SLOW = ("service", "grading", "handouts", "report_page", "tracking")
LAST = ["tests/test_checkpoints.py", "tests/test_explain.py"]


def groups(arguments: list[str]) -> list[list[str]]:
    """What may run side by side, the longest first: linked lessons, the others and, where asked for, the tests."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    linked = {name for line in re.findall(r"^NEEDS_(\w+ := .*)$", makefile, re.MULTILINE) for name in line.split()}
    lessons = [f"notebooks/{path.name}" for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))]
    lessons.append("docs/template.ipynb")
    found = [[path for path in lessons if (Path(path).stem in linked) == is_linked] for is_linked in (True, False)]
    if "tests" in arguments:
        files = sorted(f"tests/{path.name}" for path in (ROOT / "tests").glob("test_*.py"))
        slow = [path for path in files if any(name in path for name in SLOW)]
        found += [["tests", *(f"--ignore={path}" for path in [*LAST, OFFLINE, *slow])], slow]
        found.insert(0, [OFFLINE])
    return found


def main(arguments: list[str]) -> int:
    """Returns pytest's exit status: of several, the first that is not 0."""
    with tempfile.TemporaryDirectory(prefix="dlcourse test ") as folder:  # a space, as in many a student's path
        environment = os.environ | {
            "DLCOURSE_PROFILE": "smoke",
            "DLCOURSE_SOURCE": "sample",
            "DLCOURSE_SEED": "0",
            "DLCOURSE_BACKBONE": "stand-in",
            "DLCOURSE_OUTPUTS": f"{folder}/outputs",
            "DLCOURSE_MODELS": f"{folder}/models",
            "DLCOURSE_CACHE": f"{folder}/cache",
            "MPLBACKEND": "Agg",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }

        def pytest(paths: list[str], **options) -> subprocess.CompletedProcess:
            command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-cell-timeout=300", "--durations=10"]
            return subprocess.run([*command, *paths], cwd=ROOT, env=environment, check=False, **options)

        if "notebooks" not in arguments:
            return pytest(arguments).returncode
        threads = str(max(1, (os.cpu_count() or 1) // 2))
        environment |= {"TF_NUM_INTRAOP_THREADS": threads, "OMP_NUM_THREADS": threads}

        def printed(paths: list[str]) -> int:
            print(f"started: {' '.join(paths)}", flush=True)
            found = pytest(paths, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            print(found.stdout, flush=True)
            return found.returncode

        with ThreadPoolExecutor(2) as pool:
            statuses = list(pool.map(printed, groups(arguments)))
        if "tests" in arguments:
            statuses.append(pytest(LAST).returncode)
        return next((status for status in statuses if status), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
