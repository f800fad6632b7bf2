"""Images on disk: which there are, whose, and in which split."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from dlcourse import paths
from dlcourse.samples import folders, pets, radiographs

SPLITS = ("train", "validation", "test")
# person12_virus_3.jpeg; IM-0001-0002.jpeg; NORMAL2-IM-0001-0002-0003.jpeg; some have one number more
_RADIOGRAPH = re.compile(r"(?:(person\d+)_(bacteria|virus)|((?:NORMAL2-)?IM-\d+))[_-]\d+(?:[_-]\d+)?\.(?:jpeg|png)")


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
    table = pd.concat([_listed(root / animal, label) for label, animal in enumerate(pets.CLASSES)], ignore_index=True)
    names = table["file"].map(lambda file: file.name)
    other = table["label"].map({0: "dog", 1: "cat"})
    wrong = names[[name.startswith(animal) for name, animal in zip(names, other, strict=True)]]
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
    return ImageFiles(name, "real" if real else "sample", description, tuple(classes), table.reset_index(drop=True))
