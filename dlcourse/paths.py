"""Where data, models and outputs are, and the environment variables that move them.

Nothing here creates a folder or imports anything heavy. A relative path in the environment counts from the
project's folder, so that a notebook, make and pytest, which start in different places, agree.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("auto", "sample", "real")


def _folder(variable: str, default: str) -> Path:
    return (ROOT / Path(os.environ.get(variable) or default).expanduser()).resolve()


def data() -> Path:
    """The folder of the real datasets: ``DLCOURSE_DATA``, or ``data/`` in the project."""
    return _folder("DLCOURSE_DATA", "data")


def models(profile: str | None = None) -> Path:
    """The folder of trained ``.h5`` models and their cards: ``DLCOURSE_MODELS``, or ``models/``.

    A smoke run (`profile`, by default that of the environment) writes to ``outputs/smoke/`` instead, so that it never
    touches a trained model or its results.
    """
    return _folder("DLCOURSE_MODELS", "outputs/smoke/models" if _smoke(profile) else "models")


def outputs(profile: str | None = None) -> Path:
    """The folder of executed notebooks, figures and metrics: ``DLCOURSE_OUTPUTS``, or ``outputs/``.

    Smoke runs as in :func:`models`.
    """
    return _folder("DLCOURSE_OUTPUTS", "outputs/smoke" if _smoke(profile) else "outputs")


def _smoke(profile: str | None) -> bool:
    return (profile or os.environ.get("DLCOURSE_PROFILE")) == "smoke"


def cache() -> Path:
    """The folder of what can be computed anew: ``DLCOURSE_CACHE``, or ``cache/`` in :func:`outputs`."""
    return _folder("DLCOURSE_CACHE", str(outputs() / "cache"))


def notebooks() -> list[Path]:
    """The lessons' notebooks in teaching order."""
    return sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def results() -> Path:
    """The folder of the checked-in result tables."""
    return ROOT / "docs" / "results"


def locate(source: str, dataset: str, *relative: str) -> list[Path] | None:
    """Decide between a real dataset and its embedded stand-in.

    Args:
        source: ``"real"``, ``"sample"`` or ``"auto"`` (real where every file is there, else sample).
        dataset: the dataset's name in the catalogue, for the message.
        relative: the files it consists of, relative to :func:`data`.

    Returns:
        The real files' paths, or None where the embedded data is to be used.

    Raises:
        ValueError: if `source` is none of the three.
        FileNotFoundError: if ``"real"`` was asked for and a file is missing.
    """
    if source not in SOURCES:
        raise ValueError(f"source must be one of {', '.join(SOURCES)}; got {source!r}")
    if source == "sample":
        return None
    files = [data() / name for name in relative]
    missing = [file for file in files if not file.exists()]
    if not missing:
        return files
    if source == "real":
        raise FileNotFoundError(
            f"source='real' needs {missing[0]}, which is missing: run `make data` (or `python -m dlcourse data fetch "
            f"{dataset}`), or point DLCOURSE_DATA at the folder that holds {relative[0]}"
        )
    return None
