"""Run pytest with every output in a temporary folder, so that no test can touch a trained model.

usage: python tests/run.py PATH...

Where `notebooks` are named, they are smoke-run by nbval in teaching order, in two halves side by side: the lessons that
use each other's models, and the others with the tests. What loads the models that lessons leave comes last. The real
data, where it is, stays reachable for the tests marked so.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAST = ["tests/test_checkpoints.py", "tests/test_explain.py"]


def halves(arguments: list[str]) -> list[list[str]]:
    """What to run side by side: the linked lessons; the others and, where they are asked for, the tests."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    linked = {name for line in re.findall(r"^NEEDS_(\w+ := .*)$", makefile, re.MULTILINE) for name in line.split()}
    lessons = [f"notebooks/{path.name}" for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))]
    first = [path for path in lessons if Path(path).stem in linked]
    second = [path for path in lessons if path not in first]
    if "tests" in arguments:
        second += ["tests", *(f"--ignore={path}" for path in LAST)]
    return [first, second]


def main(arguments: list[str]) -> int:
    """Returns pytest's exit status: of several, the first that is not 0."""
    threads = str(max(1, (os.cpu_count() or 1) // 2)) if "notebooks" in arguments else ""
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
        if threads:
            environment |= {"TF_NUM_INTRAOP_THREADS": threads, "OMP_NUM_THREADS": threads}

        def pytest(paths: list[str], output=None) -> subprocess.Popen:
            options = ["--nbval-lax", "--nbval-cell-timeout=300", "--durations=10"]
            command = [sys.executable, "-m", "pytest", *options, *paths]
            return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)

        if "notebooks" not in arguments:
            return pytest(arguments).wait()
        first, second = halves(arguments)
        print(f"beside these: {' '.join(second)}; what they say is printed afterwards", flush=True)
        with open(Path(folder, "second"), "w+", encoding="utf-8") as output:
            beside = pytest(second, output)
            try:
                statuses = [pytest(first).wait(), beside.wait()]
            finally:
                beside.terminate()
            output.seek(0)
            print(output.read(), flush=True)
        if "tests" in arguments:
            statuses.append(pytest(LAST).wait())
        return next((status for status in statuses if status), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
