"""From image files to pixels: what is wrong with a file, pixels decoded once into a memory map, batches of them."""

import hashlib
import inspect
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import tensorflow as tf
from PIL import Image

from dlcourse import paths


def problems(files) -> pd.Series:
    """What is wrong with which of these image files: unreadable, empty, or not plain 8-bit grey or colour.

    Args:
        files: paths, as a column of a table; all are decoded, at some hundred a second.

    Returns:
        The problem in words, a row a bad file, with the index of `files`: ``table.drop(problems(table["file"]).index)``
        goes on without them.
    """
    files = pd.Series(files)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return pd.Series(list(pool.map(_problem, files)), index=files.index, dtype=object).dropna()


def pixels(files, size: int, *, channels: int = 3) -> np.ndarray:
    """The pixels of image files, stretched to a square; decoded once, afterwards read from a memory map.

    Args:
        files: paths, as a column of a table.
        size: pixels a side.
        channels: 3 for colour, 1 for grey.

    Returns:
        uint8, (n, size, size, channels), 0 to 255, read-only, on disk.

    Raises:
        ValueError: naming every file that :func:`problems` would name; nothing is kept then.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (colour); got {channels!r}")
    files = [Path(file) for file in files]
    stats = [(str(file), (stat := file.stat()).st_size, stat.st_mtime_ns) for file in files]
    key = hashlib.sha256(repr((stats, size, channels, _DECODER)).encode()).hexdigest()[:20]
    path = paths.cache() / "pixels" / f"{key}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=path.parent, suffix=".part")
        os.close(handle)
        try:
            _decode(files, unfinished, (len(files), size, size, channels))
            os.replace(unfinished, path)
        finally:
            Path(unfinished).unlink(missing_ok=True)
    return np.load(path, mmap_mode="r")


def stretched(pixels: np.ndarray, size: int) -> np.ndarray:
    """One image as a square: uint8 (height, width) or (height, width, 3) -> (size, size) or (size, size, 3)."""
    # Along a side that shrinks, areas are averaged, so that fine detail does not alias.
    height, width = pixels.shape[:2]
    pixels = cv2.resize(pixels, (min(width, size), min(height, size)), interpolation=cv2.INTER_AREA)
    return cv2.resize(pixels, (size, size), interpolation=cv2.INTER_LINEAR)


def batches(images, labels, batch_size: int, *, seed: int | None = None, balanced: bool = False) -> tf.data.Dataset:
    """Batches for `fit` and `predict`, gathered ahead of the training step.

    Args:
        images: (n, ...), a memory map as from :func:`pixels` or an array.
        labels: (n,) or (n, classes).
        batch_size: images a batch; the last one may be smaller.
        seed: shuffles anew every epoch; None keeps the order.
        balanced: draw the classes equally often, n images an epoch: rare ones repeatedly, frequent ones not all.
            Needs a seed and labels (n,).

    Returns:
        A dataset of pairs of the images' and labels' dtypes.
    """
    labels = np.asarray(labels)
    if len(images) != len(labels):
        raise ValueError(f"expected a label for each image; got {len(images)} images and {len(labels)} labels")
    if balanced and (seed is None or labels.ndim > 1):
        raise ValueError("balanced batches need a seed and one whole number a label")

    def shuffled(numbers):
        return tf.data.Dataset.from_tensor_slices(numbers).shuffle(len(numbers), seed=seed)

    if balanced:
        classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        order = tf.data.Dataset.sample_from_datasets(
            [shuffled(numbers).repeat() for numbers in classes],
            [1 / len(classes)] * len(classes),
            seed=seed,
            rerandomize_each_iteration=True,
        ).take(len(labels))
    elif seed is not None:
        order = shuffled(np.arange(len(labels)))
    else:
        order = tf.data.Dataset.range(len(labels))

    def gather(numbers):
        rows = tf.numpy_function(lambda n: images[np.asarray(n)], [numbers], images.dtype)
        return tf.ensure_shape(rows, (None, *images.shape[1:])), tf.gather(labels, numbers)

    order = order.batch(batch_size)
    return order.map(gather, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)


def _opened(file):
    image = Image.open(file)
    if image.mode not in ("L", "RGB"):
        raise ValueError(f"not plain 8-bit grey or colour but {image.mode}")
    return image


def _problem(file) -> str | None:
    try:
        with _opened(file) as image:
            image.load()
        if cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_GRAYSCALE) is None:
            return "OpenCV cannot decode it"
    except Exception as error:  # Pillow raises many kinds
        return "empty file" if os.path.getsize(file) == 0 else str(error)
    return None


def _square(file: Path, size: int, channels: int) -> np.ndarray:
    """The file's pixels, stretched to a square; uint8, (size, size) or (size, size, 3)."""
    with _opened(file) as image:
        shorter = min(image.size) if image.format == "JPEG" else 0
    # As in Keras' own loader, the orientation that a camera notes beside the pixels is left alone.
    flags = cv2.IMREAD_IGNORE_ORIENTATION | (cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR)
    # OpenCV can decode a large JPEG at an eighth, a quarter or a half.
    parts = (part for part in (8, 4, 2) if shorter >= part * size)
    flags |= next((getattr(cv2, f"IMREAD_REDUCED_GRAYSCALE_{part}") for part in parts), 0)
    pixels = cv2.imdecode(np.fromfile(file, np.uint8), flags)  # None if it cannot
    pixels = stretched(pixels, size)
    return pixels if channels == 1 else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


# Another version of OpenCV or of these functions may give other pixels: those kept are not read then.
_DECODER = cv2.__version__ + inspect.getsource(_square) + inspect.getsource(stretched)


def _decode(files: list[Path], path: str, shape: tuple[int, ...]) -> None:
    with open(path, "wb") as out, ThreadPoolExecutor(os.cpu_count()) as pool:
        np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": shape})
        out.flush()
        begin = out.tell()

        def read(numbers):
            """Decode some files and write their pixels into their places; what is wrong with each, or None."""
            problems = []
            for number in numbers:
                try:
                    pixels = _square(files[number], *shape[2:])
                except Exception:  # Pillow and OpenCV raise many kinds
                    problems.append(_problem(files[number]) or "cannot be decoded")
                else:
                    problems.append(None)
                    if os.pwrite(out.fileno(), pixels, begin + int(number) * pixels.size) < pixels.size:
                        raise OSError(f"{path}: could not be written in full; is the disk full?")
            return problems

        # Passing files to the threads one by one would cost a fifth of the rate.
        parts = np.array_split(np.arange(len(files)), min(len(files), 50) or 1)
        problems = [problem for part in pool.map(read, parts) for problem in part]
    found = [f"{file.name} ({problem})" for file, problem in zip(files, problems, strict=True) if problem]
    if found:
        raise ValueError(
            f"{len(found)} of {len(files)} image files cannot be used: {'; '.join(found[:10])}"
            f"{'; …' if len(found) > 10 else ''}. To go on without them, drop the rows that problems() names"
        )
