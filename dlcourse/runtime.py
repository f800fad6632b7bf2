"""Starting a lesson: seeds, device line, profile budgets, cost card.

Keras and TensorFlow are imported inside the functions that need them, so that ``--help`` stays quick.
"""

import functools
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from dlcourse import __version__, paths, tracking

PROFILES = ("smoke", "full")
SMOKE_EXAMPLES = 300


@dataclass(frozen=True)
class Lesson:
    """What a notebook asked for and where it runs; made by :func:`start`.

    Attributes:
        name: the notebook's name without its ending.
        profile: ``"smoke"`` (the code runs, seconds) or ``"full"`` (the whole recipe on all the data).
        source: ``"auto"``, ``"sample"`` or ``"real"``, as asked for; loaders resolve it dataset by dataset.
        seed: what every random generator was seeded with.
        device: the device in words.
        outputs: the folder of this lesson's figures and metrics.
        models: the folder of trained models.
    """

    name: str
    profile: str
    source: str
    seed: int
    device: str
    outputs: Path
    models: Path
    _started: float = field(repr=False)

    @property
    def limit(self) -> int | None:
        """The most examples a split may hold: a few hundred under ``smoke``, None (all) under ``full``."""
        return SMOKE_EXAMPLES if self.profile == "smoke" else None

    def epochs(self, full: int) -> int:
        """The epochs to train for: `full` as the recipe says, or one under ``smoke``."""
        return full if self.profile == "full" else 1

    def provenance(self, data, precision: str = "float32", weights: str = "trained here") -> dict:
        """Everything a result has to name about its origin.

        Args:
            data: a loaded dataset, with source (``"real"``, ``"sample"`` or ``"none"``) and description; or a list of
                several, whose result is one on embedded data if any of them is.
            precision: the Keras dtype policy the model computed in.
            weights: where the weights came from.

        Returns:
            A JSON-serialisable dict that figures, metrics and model cards store.
        """
        several = data if isinstance(data, list) else [data]
        return {
            "lesson": self.name,
            "source": min((one.source for one in several), key=("sample", "real", "none").index),
            "data": "; ".join(one.description for one in several),
            "weights": weights,
            "profile": self.profile,
            "seed": self.seed,
            "precision": precision,
            "device": self.device,
            "versions": versions(),
            "commit": _commit(),
        }

    def cost(self) -> dict:
        """The cost card so far: wall-clock minutes since :func:`start`, the process's peak memory in MB, cores."""
        return {
            "minutes": (time.perf_counter() - self._started) / 60,
            "peak_memory_mb": peak_memory_mb(),
            "cores": os.cpu_count(),
        }


def start(name: str, *, profile: str, source: str, seed: int) -> Lesson:
    """Seed every generator, prepare the device and print what the lesson runs as.

    Args:
        name: the notebook's name without its ending, such as ``"02_digits_cnn"``.
        profile: ``"smoke"`` or ``"full"``.
        source: ``"auto"``, ``"sample"`` or ``"real"``.
        seed: an integer from 0 to 4294967295; a string of digits (from the environment) is accepted.

    Raises:
        ValueError: if an argument is none of the above.
        ModuleNotFoundError, ConnectionError: if tracking is asked for, and MLflow or its store is not there.
    """
    tracking.client()  # better now than after the training
    if profile not in PROFILES:
        raise ValueError(f"profile must be one of {', '.join(PROFILES)}; got {profile!r}")
    if source not in paths.SOURCES:
        raise ValueError(f"source must be one of {', '.join(paths.SOURCES)}; got {source!r}")
    if not str(seed).isdecimal() or int(seed) >= 2**32:
        raise ValueError(f"seed must be an integer from 0 to {2**32 - 1}; got {seed!r}")
    import keras
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # lessons predict with many models; TensorFlow warns of each one it traces
    keras.utils.set_random_seed(int(seed))
    lesson = Lesson(
        name=name,
        profile=profile,
        source=source,
        seed=int(seed),
        device=_prepare_device(),
        outputs=paths.outputs(profile) / name,
        models=paths.models(profile),
        _started=time.perf_counter(),
    )
    lesson.outputs.mkdir(parents=True, exist_ok=True)
    lesson.models.mkdir(parents=True, exist_ok=True)
    print(f"{name}: profile {profile}, source {source}, seed {seed}, on {lesson.device}")
    print(", ".join(f"{package} {version}" for package, version in versions().items()))
    return lesson


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that a result depends on."""
    packages = ("keras", "tensorflow", "numpy", "scikit-learn")
    return {
        "dlcourse": __version__,
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in packages},
    }


def peak_memory_mb() -> float:
    """The most memory this process has held so far, in megabytes."""
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset / 1e6
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6  # bytes on macOS, kilobytes on Linux


def _prepare_device() -> str:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        # Take memory as it is needed, so that a second notebook fits on the same GPU. The setting can't be
        # changed once the GPU is in use, as in a notebook whose first cell is run again.
        if not tf.config.experimental.get_memory_growth(gpu):
            tf.config.experimental.set_memory_growth(gpu, True)
    if gpus:
        return f"GPU ({tf.config.experimental.get_device_details(gpus[0]).get('device_name', gpus[0].name)})"
    return f"CPU ({os.cpu_count()} cores)"


@functools.cache
def _commit() -> str:
    command = ["git", "-C", str(paths.ROOT), "describe", "--always", "--dirty", "--abbrev=10"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"  # a handout unpacked from a zip has no repository
