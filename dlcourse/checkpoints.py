"""Trained models as an ``.h5`` file (``.npz`` where they consist of arrays) and a JSON card: save, verify, load.

The card ``x.json`` beside ``x.h5`` says what a user of the model has to know and holds the file's hash, so that a
damaged or exchanged file is noticed before anything is computed with it.
"""

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import h5py
import keras
import numpy as np

CARD_KEYS = {"sha256": str, "input": dict, "classes": list, "preprocessing": str, "provenance": dict, "scores": dict}


class CheckpointError(Exception):
    """A model file or its card is missing, damaged, foreign or changed; the message says which and what to do."""

    def _render_traceback_(self):
        """What a notebook shows of it: the one line that says what to do, no traceback."""
        return [f"CheckpointError: {self}"]


def save(
    model: keras.Model | dict[str, np.ndarray],
    path: Path,
    examples: np.ndarray,
    *,
    classes: list[str],
    preprocessing: str,
    provenance: dict,
    scores: dict,
    extras: dict | None = None,
) -> dict:
    """Write the model and its card; both appear at once or not at all. A network is reloaded first and compared.

    Args:
        model: a built Keras model, whose optimizer is not saved; or arrays of numbers by name, where a model consists
            of such, like neighbours and their labels.
        path: where to, ending in ``.h5``, or in ``.npz`` for arrays (which are not pickled).
        examples: a few real inputs, preprocessed, (n, ...); their shape, dtype and range go on the card.
        classes: class names in the order of the outputs.
        preprocessing: in words, what turns raw data into `examples`.
        provenance: from :meth:`runtime.Lesson.provenance`.
        scores: metric name to a number or to a dict with a ``value``, as measured on the test set.
        extras: whatever else a user of the model needs, such as a vocabulary; JSON-serialisable.

    Returns:
        The card.

    Raises:
        ValueError: if the path does not end as it should, there is no example, an array would have to be pickled, or
            the card cannot be written as JSON.
        CheckpointError: if the model does not load again, or predicts otherwise than the one in memory.
    """
    path = Path(path)
    suffix = ".npz" if isinstance(model, dict) else ".h5"
    if path.suffix != suffix:
        raise ValueError(f"expected a path ending in {suffix}; got {path.name}")
    if len(examples) == 0:
        raise ValueError(f"expected a few example inputs; got an array of shape {examples.shape}")
    path.parent.mkdir(parents=True, exist_ok=True)
    # The process number keeps two runs apart that save the same model at the same time.
    partial = path.with_name(f"{path.stem}.{os.getpid()}.part{suffix}")
    partial_card = partial.with_suffix(".json")
    try:
        about = (_write_arrays if isinstance(model, dict) else _write_network)(model, partial, examples)
        card = {
            "model": path.stem,
            "saved": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "sha256": _sha256(partial),
            "bytes": partial.stat().st_size,
            **about,
            "input": {
                "shape": [None, *examples.shape[1:]],
                "dtype": str(examples.dtype),
                "range": [float(examples.min()), float(examples.max())],
            },
            "classes": list(classes),
            "preprocessing": preprocessing,
            "provenance": provenance,
            "scores": scores,
            **(extras or {}),
        }
        written = _as_json(card)
        partial_card.write_text(written + "\n", encoding="utf-8")
        partial.replace(path)
        partial_card.replace(card_path(path))
    finally:
        partial.unlink(missing_ok=True)
        partial_card.unlink(missing_ok=True)
    return json.loads(written)


def load(path: Path, *, made_by: str = "") -> tuple[keras.Model | dict[str, np.ndarray], dict]:
    """Verify a model against its card and load it for prediction.

    No code from the file is run (``safe_mode``, nothing unpickled), and a network comes uncompiled: to train on,
    compile it yourself.

    Args:
        path: of the ``.h5`` or ``.npz`` file.
        made_by: the lesson that makes it, to be named where it is missing.

    Returns:
        The model, or its arrays, and the card.

    Raises:
        CheckpointError: if the file or card is missing, truncated, foreign or changed since it was saved.
    """
    path = Path(path)
    card = read_card(path, made_by=made_by)
    found = _sha256(path)
    if found != card["sha256"]:
        kind = "is not the file that its card describes: it"
        if path.suffix == ".h5" and not h5py.is_hdf5(path):
            kind = "is not an HDF5 file: it"
        raise CheckpointError(
            f"{path} {kind} was exchanged, changed or cut short, or its saving was interrupted (expected sha256 "
            f"{card['sha256'][:12]}…, got {found[:12]}…); {_advice(card)}"
        )
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays), card
        return keras.models.load_model(path, compile=False, safe_mode=True), card
    except Exception as error:  # Keras, zipfile and NumPy raise many kinds; the reader needs one line
        reader = f"NumPy {np.__version__}" if path.suffix == ".npz" else f"Keras {keras.__version__}"
        raise CheckpointError(f"{reader} cannot load {path}: {_first_line(error)}; {_advice(card)}") from error


def read_card(path: Path, *, made_by: str = "") -> dict:
    """The card of the model at `path`, checked for completeness but not against the file.

    Raises:
        CheckpointError: if model or card is missing, or the card is not one of this course.
    """
    path, advice = Path(path), _advice({}, made_by)
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; {advice}")
    card_file = card_path(path)
    if not card_file.is_file():
        raise CheckpointError(
            f"{path} has no card ({card_file.name}): it was not saved by this course, or its saving was interrupted; "
            + advice
        )
    try:
        card = json.loads(card_file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{card_file} is not a readable card: {error}; {advice}") from error
    if not isinstance(card, dict):
        raise CheckpointError(f"{card_file} is not a card: expected a JSON object, got {card!r:.40}; {advice}")
    wrong = [f"{key} ({kind.__name__})" for key, kind in CARD_KEYS.items() if not isinstance(card.get(key), kind)]
    if wrong:
        raise CheckpointError(f"{card_file} lacks {', '.join(wrong)}; {_advice(card)}")
    return card


def card_path(path: Path) -> Path:
    """Where the card of the model at `path` stands."""
    return Path(path).with_suffix(".json")


def _write_network(model, partial, examples) -> dict:
    with _without_format_warning():
        model.save(partial, include_optimizer=False)
    _compare(model, partial, examples)
    return {"parameters": int(model.count_params())}


def _write_arrays(arrays, partial, _) -> dict:
    objects = [name for name, array in arrays.items() if np.asarray(array).dtype.hasobject]
    if objects:
        raise ValueError(f"expected arrays of numbers; {', '.join(objects)} would have to be pickled")
    np.savez_compressed(partial, **arrays)
    return {"arrays": {name: list(np.shape(array)) for name, array in arrays.items()}}


def _compare(model, path, examples):
    expected = model.predict(examples, verbose=0).astype("float32")
    try:
        got = keras.models.load_model(path, compile=False, safe_mode=True).predict(examples, verbose=0)
    except Exception as error:  # Keras raises many kinds
        raise CheckpointError(
            f"{model.name} does not load again from .h5: {_first_line(error)}; expected layers that do (no Lambda, no "
            "keras.ops between layers)"
        ) from error
    # bfloat16 keeps 8 bits of mantissa, and a reloaded graph may fuse its operations differently.
    halved = any(layer.dtype_policy.compute_dtype in ("bfloat16", "float16") for layer in (model, *model.layers))
    tolerance = (2e-2 if halved else 1e-5) * max(1.0, float(np.max(np.abs(expected))))
    difference = float(np.max(np.abs(expected - got.astype("float32"))))
    if not difference <= tolerance:
        raise CheckpointError(
            f"{model.name} predicts differently after reloading: expected a difference of at most {tolerance:.3g}, got "
            f"{difference:.3g}; a layer probably does not save to .h5 (see the layers it uses)"
        )


@contextlib.contextmanager
def _without_format_warning():
    # Keras recommends its own format at every save; this course writes .h5 on purpose.
    logger = logging.getLogger("absl")

    def wanted(record):
        return "HDF5 file" not in record.getMessage()

    logger.addFilter(wanted)
    try:
        yield
    finally:
        logger.removeFilter(wanted)


def _as_json(card: dict) -> str:
    def plain(value):
        if isinstance(value, np.generic):  # such as the float32 of an array's mean
            return value.item()
        if isinstance(value, Sequence):  # such as the words of a memory map
            return list(value)
        raise TypeError(f"{value!r:.60} of type {type(value).__name__}")

    try:
        return json.dumps(card, indent=2, ensure_ascii=False, allow_nan=False, default=plain)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected a card of finite numbers, text, lists and dicts; got {error}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


def _advice(card: dict, made_by: str = "") -> str:
    provenance = card.get("provenance")
    lesson = provenance.get("lesson") if isinstance(provenance, dict) else None
    if not lesson and made_by:
        return f"run `make {made_by}` first"
    return f"make it anew with `make {lesson}`" if lesson else "run the lesson that makes it (`make` lists them)"


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
