"""Run pytest with every output in a temporary folder, so that no test can touch a trained model.

usage: python tests/run.py PATH...

Notebooks come first where they are named: they are smoke-run by nbval, one after the other in teaching order, and
leave the models that later tests load. The real data, where it is, stays reachable for the tests marked so.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> int:
    """Returns pytest's exit status."""
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
        command = [
            sys.executable,
            "-m",
            "pytest",
            "--nbval-lax",
            "--nbval-cell-timeout=300",
            "--durations=10",
            *arguments,
        ]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
