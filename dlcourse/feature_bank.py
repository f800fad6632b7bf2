"""The feature bank: what a frozen network makes of images, computed once and read from disk ever after."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from filelock import FileLock

from dlcourse import paths, precisions, runtime

_BATCH = 32


def features(
    backbone: keras.Model,
    images: np.ndarray,
    *,
    augment: Callable | None = None,
    views: int = 1,
    seed: int = 0,
    precision: str = "auto",
    dtype: str = "float16",
) -> np.ndarray:
    """The frozen body's output for every image and view, computed once, then read from disk.

    The file's name is a hash of all that the numbers depend on: the body's layers and weights, the pixels, the
    augmentation, its seed, the number of views, precision and versions. So a change of any of them computes anew, and
    features of anything else are never read. A run that was killed goes on where it was.

    Args:
        backbone: a model, such as `backbones.Backbone.model` or the lower half of `backbones.split`.
        images: (n, height, width, 3), 0 to 255, such as a memory map from `decoding.pixels`.
        augment: Keras layers that vary a batch, called with ``training=True``; None for the images as they are.
        views: how many varied copies of every image; 1 without `augment`.
        seed: of the augmentation.
        precision: ``"float32"``, ``"mixed_bfloat16"``, or ``"auto"``: the latter where a trial shows it to be faster on
            this machine and true to float32 within bfloat16's own accuracy.
        dtype: of the numbers on disk.

    Returns:
        (views, n, *feature shape) of `dtype`, read-only, on disk.

    Raises:
        ValueError: if several views of unvaried images are asked for, or `dtype` cannot hold a feature.
    """
    if augment is None and views != 1:
        raise ValueError(f"views={views} needs augment: without it all views are alike")
    if precision == "auto":
        precision = precisions.fastest_for(backbone, images[:_BATCH])
    key = _key(backbone, images, augment, views, seed, precision, dtype)
    path = paths.cache() / "features" / f"{key}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):  # two lessons at once: the second waits, then reads
        if not path.exists():
            model = backbone if precision == "float32" else precisions.converted(backbone, precision)
            _fill(path, model, images, augment, views, seed, dtype)
    return np.load(path, mmap_mode="r")


class Batches(keras.utils.PyDataset):
    """Shuffled batches of a bank for `fit`, every epoch from the next view of the images.

    Args:
        bank: (views, n, ...), from :func:`features`, or a list of views (n, ...), such as the images as they are and
            then varied ones.
        labels: (n,) or (n, classes).
        batch_size: rows a batch; the last one may be smaller.
        seed: of the shuffling.
        balanced: draw the classes equally often, n rows an epoch, with replacement; needs labels (n,).
    """

    def __init__(
        self, bank: Sequence[np.ndarray], labels: np.ndarray, batch_size: int, *, seed: int, balanced: bool = False
    ):
        super().__init__()
        self.bank, self.labels, self.batch_size = bank, np.asarray(labels), batch_size
        rows = [len(view) for view in bank]
        if any(count != len(self.labels) for count in rows) or (balanced and self.labels.ndim > 1):
            raise ValueError(f"expected a label for each row of each view; got {rows} rows, labels {self.labels.shape}")
        self.chances = (1 / np.bincount(self.labels)[self.labels]) if balanced else None
        self.random, self.epoch = np.random.default_rng(seed), -1
        self.on_epoch_end()

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.labels) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """One batch of features, float32, and its labels."""
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        return self.bank[self.epoch % len(self.bank)][rows].astype("float32"), self.labels[rows]

    def on_epoch_end(self) -> None:
        """Go on to the next view and draw its order."""
        self.epoch += 1
        count = len(self.labels)
        if self.chances is None:
            self.order = self.random.permutation(count)
        else:
            self.order = self.random.choice(count, count, p=self.chances / self.chances.sum())


def _key(model, images, augment, views, seed, precision, dtype) -> str:
    digest = hashlib.sha256()
    recipe = _without_names(augment.get_config()) if augment is not None else None
    versions = [runtime.versions()[package] for package in ("keras", "tensorflow")]
    pixels = [images.shape, str(images.dtype)]
    settings = [_without_names(model.get_config()), recipe, views, seed, precision, dtype, pixels, versions]
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).data)
    for start in range(0, len(images), 256):
        digest.update(np.ascontiguousarray(images[start : start + 256]).data)
    return digest.hexdigest()[:24]


def _without_names(config: dict) -> str:
    """The config with its layers numbered: Keras calls a second copy of the same layer by another name."""
    text, found = json.dumps(config, default=str), [config]
    names = {}
    while found:
        part = found.pop(0)
        if isinstance(part, dict):
            if part.get("class_name") != "DTypePolicy" and isinstance(part.get("config"), dict):
                names.setdefault(part["config"].get("name"))
            found.extend(part.values())
        elif isinstance(part, list):
            found.extend(part)
    for number, name in enumerate([config.get("name"), *names]):
        text = text.replace(json.dumps(name), f'"#{number}"') if name else text
    return text


def _compiled(model: keras.Model, augment):
    @tf.function
    def run(images):
        images = tf.cast(images, tf.float32)
        if augment is not None:
            images = augment(images, training=True)
        return tf.cast(model(images, training=False), tf.float32)

    return run


def _fill(path: Path, model, images, augment, views, seed, dtype) -> None:
    """Compute the bank a batch at a time, noting on disk how far it got; `path` appears when it is complete."""
    partial, progress = path.with_suffix(".part"), path.with_suffix(".done")
    done = int(progress.read_text()) if progress.exists() and partial.exists() else 0
    shape = (views, len(images), *model.output_shape[1:])
    bank = np.lib.format.open_memmap(partial, mode="r+" if done else "w+", dtype=dtype, shape=None if done else shape)
    run = _compiled(model, augment)
    batches = [(view, start) for view in range(views) for start in range(0, len(images), _BATCH)]
    for number, (view, start) in enumerate(batches):
        if number < done:
            continue
        if augment is not None:
            _reseed(augment, seed, number)  # so that a bank taken up again holds the same views
        maps = run(images[start : start + _BATCH]).numpy()
        if np.abs(maps).max() > np.finfo(dtype).max:
            partial.unlink()
            progress.unlink(missing_ok=True)
            raise ValueError(f"{model.name} gives features up to {np.abs(maps).max():.0f}: they need dtype='float32'")
        bank[view, start : start + len(maps)] = maps
        if number % 20 == 19:
            bank.flush()
            progress.write_text(str(number + 1))
    bank.flush()
    os.replace(partial, path)
    progress.unlink(missing_ok=True)


def _reseed(augment, seed: int, number: int) -> None:
    for variable in augment.variables:
        if "seed" in variable.path:
            variable.assign(keras.ops.cast([seed, number], variable.dtype))
