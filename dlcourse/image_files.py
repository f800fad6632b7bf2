"""Images on disk: which there are and whose, and their pixels, decoded once into a memory map."""

import hashlib
import inspect
import os
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import tensorflow as tf
from PIL import Image
from sklearn.model_selection import StratifiedGroupKFold

from dlcourse import paths
from dlcourse.samples import folders, pets, radiographs

SPLITS = ("train", "validation", "test")
# person12_virus_3.jpeg; IM-0001-0002.jpeg; NORMAL2-IM-0001-0002-0003.jpeg; some have one number more
_RADIOGRAPH = re.compile(r"(?:(person\d+)_(bacteria|virus)|((?:NORMAL2-)?IM-\d+))[_-]\d+(?:[_-]\d+)?\.(?:jpeg|png)")
# OpenCV's flags to decode a large JPEG at an eighth, a quarter or a half.
_REDUCED = (
    (8, cv2.IMREAD_REDUCED_GRAYSCALE_8),
    (4, cv2.IMREAD_REDUCED_GRAYSCALE_4),
    (2, cv2.IMREAD_REDUCED_GRAYSCALE_2),
)
_PLAIN = {"L": 1, "RGB": 3}  # the Pillow modes of 8-bit grey and colour


@dataclass(frozen=True)
class ImageFiles:
    """Labelled image files in three splits that share no patient.

    Attributes:
        name: the dataset's name in the catalogue.
        source: ``"sample"`` or ``"real"``.
        description: one phrase saying what the images are.
        classes: the class names, in the order of the labels.
        table: a row an image: `file` (path), `label` (0 to ``len(classes) - 1``), `patient` (whose image it is; for
            pets every image is its own), `split` (``"train"``, ``"validation"`` or ``"test"``).
    """

    name: str
    source: str
    description: str
    classes: tuple[str, ...]
    table: pd.DataFrame

    def part(self, split: str) -> pd.DataFrame:
        """The rows of one split, in their order in the table."""
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}; got {split!r}")
        return self.table[self.table["split"] == split]


def load_pets(*, source: str, seed: int, limit: int | None = None) -> ImageFiles:
    """Photographs of cats (0) and dogs (1), or drawings of them.

    A fifth of the files, by a hash of their names, is the test set; an eighth of the rest validates.

    Args:
        source: ``"auto"``, ``"sample"`` or ``"real"``.
        seed: decides which images validate; the test set never changes.
        limit: the most images a split may hold, or None for all.

    Raises:
        FileNotFoundError: if real data was asked for and is not there.
        ValueError: if a folder holds none, or a file whose name names the other animal.
    """
    found = paths.locate(source, "cats_dogs", "cats_dogs/cat", "cats_dogs/dog")
    root = found[0].parent if found else folders.pets_folder()
    parts = [_listed(root / animal, label) for label, animal in enumerate(pets.CLASSES)]
    table = pd.concat(parts, ignore_index=True)
    names = table["file"].map(lambda file: file.name)
    wrong = names[
        (names.str.startswith("dog") & (table["label"] == 0)) | (names.str.startswith("cat") & table["label"])
    ]
    _refuse("files that contradict their folder", wrong, root)
    table["patient"] = names
    table["split"] = np.where(names.map(_in_fifth), "test", "train")
    description = f"{len(table):,} " + ("photographs of cats and dogs" if found else "drawn cats and dogs")
    return _finished("cats_dogs", bool(found), description, pets.CLASSES, table, names, 8, seed, limit)


def load_radiographs(*, source: str, seed: int, kinds: int = 2, limit: int | None = None) -> ImageFiles:
    """Chest radiographs of children, normal or with pneumonia (Kermany et al. 2018), or drawings of such.

    The published test set stays as it is; an eighth of the training patients validates, stratified. A patient is a
    person number with its kind, or an `IM` number, since the numbering restarts: with this key the published train and
    test sets share nobody. Where a person number carries both kinds, the two stay together all the same.

    Args:
        source, seed, limit: as in :func:`load_pets`.
        kinds: 2 for normal (0) and pneumonia (1), 3 for normal (0), bacterial (1) and viral (2).

    Raises:
        FileNotFoundError: if real data was asked for and is not there.
        ValueError: if `kinds` is neither, or a file has an unknown name or one that contradicts its folder.
    """
    if kinds not in (2, 3):
        raise ValueError(f"kinds must be 2 (normal, pneumonia) or 3 (normal, bacterial, viral); got {kinds!r}")
    found = paths.locate(source, "chest_xray", "chest_xray/train", "chest_xray/test")
    root = found[0].parent if found else folders.radiographs_folder()
    parts = [
        _listed(root / split / folder, label).assign(split=split)
        for split in ("train", "test")
        for label, folder in enumerate(("NORMAL", "PNEUMONIA"))
    ]
    table = pd.concat(parts, ignore_index=True)
    named = [_RADIOGRAPH.fullmatch(file.name) for file in table["file"]]
    kind = np.array([0 if not match else {None: 0, "bacteria": 1, "virus": 2}[match[2]] for match in named])
    wrong = np.array([match is None for match in named]) | ((kind > 0) != (table["label"] > 0))
    _refuse("files whose names are unknown or contradict their folder", table["file"][wrong], root)
    table["patient"] = [match[3] or f"{match[1]} {match[2]}" for match in named]
    people = pd.Series([match[3] or match[1] for match in named])
    table["label"] = kind  # by which validation is stratified, so that two and three classes share their splits
    description = f"{len(table):,} " + ("chest radiographs of children" if found else "drawn chest radiographs")
    classes = radiographs.CLASSES if kinds == 3 else ("normal", "pneumonia")
    chests = _finished("chest_xray", bool(found), description, classes, table, people, 8, seed, limit)
    if kinds == 2:
        chests.table["label"] = chests.table["label"].clip(upper=1)
    return chests


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
        found = pd.Series(list(pool.map(_problem, files)), index=files.index, dtype=object)
    return found.dropna()


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


def check_disjoint(table: pd.DataFrame) -> None:
    """Refuse a table in which a patient stands in more than one split.

    Raises:
        ValueError: naming some of them.
    """
    splits = table.groupby("patient")["split"].nunique()
    shared = splits.index[splits > 1]
    if len(shared):
        raise ValueError(f"{len(shared)} patients stand in more than one split, such as {', '.join(shared[:3])}")


def _listed(folder: Path, label: int) -> pd.DataFrame:
    files = sorted(file for file in folder.glob("*") if file.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not files:
        raise ValueError(f"{folder} holds no .jpg, .jpeg or .png file; `python -m dlcourse data verify` tells more")
    return pd.DataFrame({"file": files, "label": label})


def _in_fifth(name: str) -> bool:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 5 == 0


def _refuse(what: str, files, root: Path) -> None:
    if len(files):
        named = ", ".join(Path(file).name for file in list(files)[:5])
        raise ValueError(f"{root} holds {len(files)} {what}: {named}{', …' if len(files) > 5 else ''}")


def _finished(name, real, description, classes, table, groups, parts, seed, limit) -> ImageFiles:
    """Cut validation, one in `parts`, from the training rows by `groups`; shorten the splits; check."""
    training = np.flatnonzero(table["split"] == "train")
    folds = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    _, held_out = next(folds.split(training, table["label"].iloc[training], groups.iloc[training]))
    table.loc[table.index[training[held_out]], "split"] = "validation"
    check_disjoint(table)
    if limit is not None:
        shuffled = table.sample(frac=1, random_state=seed)
        table = shuffled.groupby("split", group_keys=False).head(limit).sort_index()
    table = table.reset_index(drop=True)
    return ImageFiles(name, "real" if real else "sample", description, tuple(classes), table)


def _opened(file):
    image = Image.open(file)
    if image.mode not in _PLAIN:
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
    flags |= next((reduced for part, reduced in _REDUCED if shorter >= part * size), 0)
    pixels = cv2.imdecode(np.fromfile(file, np.uint8), flags)  # None if it cannot
    # Along a side that shrinks, areas are averaged, so that fine detail does not alias.
    height, width = pixels.shape[:2]
    pixels = cv2.resize(pixels, (min(width, size), min(height, size)), interpolation=cv2.INTER_AREA)
    pixels = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_LINEAR)
    return pixels if channels == 1 else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


# Another version of OpenCV or of the function above may give other pixels: those kept are not read then.
_DECODER = cv2.__version__ + inspect.getsource(_square)


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
