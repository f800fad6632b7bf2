"""The datasets and weight files of the course: where they come from, under which licence, and what lies here.

What there is stands in ``catalogue.toml``; ``fetching`` brings it.
"""

import dataclasses
import hashlib
import json
import tomllib
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pooch

from dlcourse import paths
from dlcourse.downloads import FetchError

RECORD = "fetched.json"  # in the data folder: the hashes of first downloads, where none is published


def with_slack(size: int) -> int:
    """The most bytes to accept where `size` are expected: publishers repack their files."""
    return size + size // 4 + 2**20


@dataclasses.dataclass(frozen=True)
class Source:
    """One published file: its addresses (tried in turn), size in bytes and "algorithm:hex" digest, if published."""

    addresses: tuple[str, ...]
    size: int
    digest: str = ""


@dataclasses.dataclass(frozen=True)
class Item:
    """One file or folder below the data folder, and how it is made from what a source serves.

    Attributes:
        path: the place below the data folder.
        size: its bytes on disk, roughly; a quarter more is the most that is ever written.
        sources: tried in turn.
        unpack: (regular expression of a member's name, place below the item) for archives.
        convert: a name in ``archives.CONVERTERS``, where the published file holds pickles.
        arrays: what an ``.npz`` must hold: name to (dtype, *shape), -1 for any length.
        folders: for a folder of images, the subfolders that hold them.
        files: how many images they hold in all.
        variants: digests of known copies that differ from the original, to a description.
    """

    path: str
    size: int
    sources: tuple[Source, ...]
    unpack: tuple[tuple[str, str], ...] = ()
    convert: str = ""
    arrays: dict = dataclasses.field(default_factory=dict)
    folders: tuple[str, ...] = ()
    files: int = 0
    variants: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def originals(self) -> tuple[str, ...]:
        """The published digests of the item itself: none where it is unpacked or converted."""
        made = self.unpack or self.convert
        return () if made else tuple(source.digest for source in self.sources if source.digest)

    @property
    def limit(self) -> int:
        """The most bytes it may take on disk."""
        return with_slack(self.size)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """An entry of the catalogue: what it is, its terms, and the items it consists of."""

    name: str
    title: str
    licence: str
    page: str
    citation: str
    items: tuple[Item, ...]


@dataclasses.dataclass(frozen=True)
class Status:
    """What :func:`verify` found: `status` is ok, variant, unknown, changed or missing; `detail` says why."""

    name: str
    path: str
    status: str
    detail: str = ""


def _read() -> dict[str, Dataset]:
    entries = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    for entry in entries.values():
        for item in entry["items"]:
            item["sources"] = tuple(Source(**source) for source in item["sources"])
        entry["items"] = tuple(Item(**item) for item in entry["items"])
    return {name: Dataset(name, **entry) for name, entry in entries.items()}


DATASETS = _read()


def select(names: list[str] | None = None) -> list[Dataset]:
    """The named datasets, all of them for none; ``"weights"`` names every weight file. Raises FetchError."""
    weights = [name for name, each in DATASETS.items() if each.items[0].path.startswith("weights/")]
    chosen = {each for name in names or DATASETS for each in (weights if name == "weights" else [name])}
    if unknown := sorted(chosen - set(DATASETS)):
        raise FetchError(
            f"there is no dataset {unknown[0]!r}; there are {', '.join(DATASETS)} (weights names all weights)"
        )
    return [each for name, each in DATASETS.items() if name in chosen]


# What is there: digests and the record of first downloads.


def digest(path: Path, kind: str) -> str:
    """A file's or folder's digest as "kind:hex".

    `kind` is a hashlib algorithm, of the bytes; ``"arrays"``, the SHA-256 of an ``.npz`` file's names, types, shapes
    and values whatever the container; or ``"tree"``, that of a folder's file names and contents.

    Raises:
        ValueError: if "arrays" is asked of what is no ``.npz`` of plain arrays.
    """
    if kind not in ("arrays", "tree"):
        return f"{kind}:{pooch.file_hash(str(path), alg=kind)}"
    total = hashlib.sha256()
    if kind == "tree":
        for file in sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith(".")):
            line = f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(path).as_posix()}\n"
            total.update(line.encode())
    else:
        for name, array in sorted(read_arrays(path).items()):
            total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            total.update(np.ascontiguousarray(array).data)
    return f"{kind}:{total.hexdigest()}"


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """What an ``.npz`` file holds, nothing unpickled. Raises ValueError if that is not plain arrays."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"is not an .npz file of plain arrays ({error})") from error


def digest_kind(item: Item) -> str:
    """The kind of :func:`digest` that tells whether an item is the same, however it was packed."""
    return "tree" if item.folders else "arrays" if item.path.endswith(".npz") else "sha256"


def read_record(folder: Path) -> dict[str, str]:
    """The hashes kept from first downloads into a data folder, by path or address. Raises FetchError if damaged."""
    file = folder / RECORD
    try:
        return json.loads(file.read_text("utf-8")) if file.exists() else {}
    except ValueError as error:
        raise FetchError(f"{file} keeps the hashes of first downloads and is not JSON ({error}); repair it") from error


def identify(name: str, item: Item, path: Path, record: dict[str, str]) -> Status:
    """What lies at `path` where an item is expected, by the published hashes and those in `record`."""
    if not path.exists() or not all(any((path / sub).glob("*")) for sub in item.folders):
        return Status(name, item.path, "missing")
    try:
        kinds = {digest_kind(item), *(known.partition(":")[0] for known in (*item.originals, *item.variants))}
        found = {digest(path, kind) for kind in kinds}
    except ValueError as error:
        return Status(name, item.path, "changed", str(error))
    own = next(each for each in found if each.startswith(digest_kind(item)))
    if found & set(item.originals):
        return Status(name, item.path, "ok", "the original")
    if known := found & set(item.variants):
        return Status(name, item.path, "variant", item.variants[known.pop()])
    label = "unknown weights: " if item.path.startswith("weights/") else ""
    expected = record.get(item.path) or next(iter(item.originals), "")
    if expected == own:
        return Status(name, item.path, "ok", "as first fetched")
    if expected:
        return Status(name, item.path, "changed", f"{label}expected {expected}, found {own}")
    return Status(name, item.path, "unknown", f"{label}no hash is published, none kept from a fetch; found {own}")


def verify(names: list[str] | None = None, folder: Path | None = None) -> list[Status]:
    """Compare what lies in the data folder with the published or kept hashes: one status an item, of all for no names.

    A :class:`Dataset` may stand in place of a name, here and in :func:`fetching.fetch`.
    """
    folder = Path(folder or paths.data())
    given = [each for each in names or () if isinstance(each, Dataset)]
    record, chosen = read_record(folder), given or select(names)
    return [identify(each.name, item, folder / item.path, record) for each in chosen for item in each.items]


def weights_label(path: Path) -> str:
    """What a weight file is, wherever it lies: "original", a known variant's description or "unknown weights"."""
    for item in (item for dataset in DATASETS.values() for item in dataset.items):
        if item.path == f"weights/{Path(path).name}":
            status = identify("", item, Path(path), {})
            return {"ok": "original", "variant": status.detail}.get(status.status, "unknown weights")
    return "unknown weights"


def describe(folder: Path | None = None) -> list[dict[str, str]]:
    """One row a dataset: name, title, present (yes, partly, no), size to download, licence, citation, address, path."""
    folder, rows = Path(folder or paths.data()), []
    for each in DATASETS.values():
        there = [(folder / item.path).exists() for item in each.items]
        row = {field: getattr(each, field) for field in ("name", "title", "licence", "citation")}
        row["present"] = "yes" if all(there) else "partly" if any(there) else "no"
        row["size"] = f"{sum(item.sources[0].size for item in each.items) / 1e6:,.1f} MB"
        row["address"] = each.items[0].sources[0].addresses[0]
        rows.append({**row, "path": each.items[0].path})
    return rows
