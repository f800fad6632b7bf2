"""The datasets and weight files of the course: where they come from, under which licence, and fetching them safely.

What there is stands in ``catalogue.toml``. Everything is downloaded into a temporary folder inside the data folder,
checked, converted or unpacked there, and only then renamed into place: a failure leaves nothing behind and the
earlier copy untouched.
"""

import concurrent.futures
import dataclasses
import hashlib
import html
import json
import os
import pickle
import re
import shutil
import sys
import tempfile
import time
import tomllib
import urllib.parse
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pooch
import tqdm

from dlcourse import archives, paths
from dlcourse.downloads import FetchError, download

RECORD = "fetched.json"  # in the data folder: the hashes of first downloads, where none is published
MAGIC = {".h5": b"\x89HDF", ".npz": b"PK", ".jpg": b"\xff\xd8", ".jpeg": b"\xff\xd8"}


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
        return _with_slack(self.size)


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
        for name, array in sorted(_arrays(path).items()):
            total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            total.update(np.ascontiguousarray(array).data)
    return f"{kind}:{total.hexdigest()}"


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"is not an .npz file of plain arrays ({error})") from error


def _kind(item: Item) -> str:
    return "tree" if item.folders else "arrays" if item.path.endswith(".npz") else "sha256"


def _record(folder: Path) -> dict[str, str]:
    file = folder / RECORD
    try:
        return json.loads(file.read_text("utf-8")) if file.exists() else {}
    except ValueError as error:
        raise FetchError(f"{file} keeps the hashes of first downloads and is not JSON ({error}); repair it") from error


def _identify(name: str, item: Item, path: Path, record: dict[str, str]) -> Status:
    if not path.exists() or not all(any((path / sub).glob("*")) for sub in item.folders):
        return Status(name, item.path, "missing")
    try:
        kinds = {_kind(item), *(known.partition(":")[0] for known in (*item.originals, *item.variants))}
        found = {digest(path, kind) for kind in kinds}
    except ValueError as error:
        return Status(name, item.path, "changed", str(error))
    own = next(each for each in found if each.startswith(_kind(item)))
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

    A :class:`Dataset` may stand in place of a name, here and in :func:`fetch`.
    """
    folder = Path(folder or paths.data())
    given = [each for each in names or () if isinstance(each, Dataset)]
    record, chosen = _record(folder), given or select(names)
    return [_identify(each.name, item, folder / item.path, record) for each in chosen for item in each.items]


def weights_label(path: Path) -> str:
    """What a weight file is, wherever it lies: "original", a known variant's description or "unknown weights"."""
    for item in (item for dataset in DATASETS.values() for item in dataset.items):
        if item.path == f"weights/{Path(path).name}":
            status = _identify("", item, Path(path), {})
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


# Downloading.


def _with_slack(size: int) -> int:
    return size + size // 4 + 2**20


def _compare(raw: Path, source: Source, kept: str, origin: str) -> None:
    expected = source.digest or kept
    if not expected or (found := digest(raw, expected.partition(":")[0])) == expected:
        return
    whose = "published" if source.digest else f"kept in {RECORD} from the first download (delete it there to accept)"
    with open(raw, "rb") as file:
        page = ", an HTML page" if b"<html" in file.read(1000).lower() else ""
    raise FetchError(
        f"{origin}: expected {expected}, {whose}, {source.size:,} bytes; "
        f"got {found}, {raw.stat().st_size:,} bytes{page}"
    )


def _mirror() -> str:
    base = os.environ.get("DLCOURSE_MIRROR", "").rstrip("/")
    parts = urllib.parse.urlsplit(base)
    if base and (parts.scheme not in ("http", "https") or not parts.netloc):
        raise FetchError(f"DLCOURSE_MIRROR must be an address such as http://teacher:8000, got {base!r}")
    return base


def _from_mirror(item: Item, base: str, staging: Path, *, timeout: float, progress: bool) -> Path:
    """The finished item from a static server over a data folder; a folder's files are taken from its listings."""
    ready, address = staging / Path(item.path).name, f"{base}/{urllib.parse.quote(item.path)}"
    if not item.folders:
        download(address, ready, limit=item.limit, timeout=timeout, progress=progress)
        return ready
    files = []
    for sub in item.folders:
        download(f"{address}/{sub}/", staging / "listing", limit=2**24, timeout=timeout, progress=False)
        links = re.findall(r'href="(?:\./)?([^"/?#]+)"', (staging / "listing").read_text("utf-8", "replace"))
        names = {urllib.parse.unquote(html.unescape(link)) for link in links}
        names = sorted(name for name in names if re.fullmatch(r"[^./\\:][^/\\:]*\.(jpe?g)", name))
        if not names:
            raise FetchError(f"{address}/{sub}/: lists no images; the mirror must show directory listings")
        files += [(sub, name) for name in names]
        (ready / sub).mkdir(parents=True)
    if len(files) > 2 * item.files:
        raise FetchError(f"{address}: lists {len(files):,} images where about {item.files:,} are expected")

    def one(place):
        file, link = ready / place[0] / place[1], f"{address}/{place[0]}/{urllib.parse.quote(place[1])}"
        download(link, file, limit=item.limit, timeout=timeout, progress=False)
        return file.stat().st_size

    written = 0
    with concurrent.futures.ThreadPoolExecutor(8) as pool, tqdm.tqdm(total=len(files), disable=not progress) as bar:
        try:
            for size in pool.map(one, files):
                bar.update()
                written += size
                if written > item.limit:
                    raise FetchError(f"{address}: holds more than the {item.limit:,} bytes expected at most")
        finally:
            pool.shutdown(cancel_futures=True)
    return ready


# Unpacking and converting.


def _prepare(item: Item, raw: Path, staging: Path) -> Path:
    """Turn what a source serves into the item as it lies on disk."""
    ready = staging / Path(item.path).name
    if item.unpack:
        archives.unpack(raw, item.unpack, staging / "unpacked", limit=item.limit, files=item.files)
        raw = staging / "unpacked"
    if item.convert:
        try:
            np.savez(ready, **archives.CONVERTERS[item.convert](raw))
        except (pickle.UnpicklingError, zipfile.BadZipFile, KeyError, ValueError, TypeError, EOFError) as error:
            raise FetchError(f"cannot be converted to {item.path} ({error})") from error
        return ready
    source = raw / ready.name if item.unpack and not item.folders else raw
    if not source.exists():
        raise FetchError(f"the archive does not hold {ready.name}")
    os.replace(source, ready)
    return ready


def _check(item: Item, ready: Path, count: bool) -> None:
    """Refuse what is not of the item's form, whatever its hash."""
    images = [file for sub in item.folders for file in (ready / sub).glob("*") if file.is_file()]
    if item.folders and (not images or (count and len(images) != item.files)):
        raise FetchError(f"expected {item.files:,} images under {', '.join(item.folders)}; got {len(images):,}")
    for file in images or [ready]:
        with open(file, "rb") as stream:
            begin = stream.read(20)
        if not begin.startswith(MAGIC.get(file.suffix.lower(), b"")):
            raise FetchError(f"expected {file.name} to be a {file.suffix} file; it begins with {begin!r}")
    try:
        arrays = _arrays(ready) if item.arrays else {}
    except ValueError as error:
        raise FetchError(f"{ready.name} {error}") from error
    for name, form in item.arrays.items():
        got = (str(arrays[name].dtype), *arrays[name].shape) if name in arrays else ()
        if len(got) != len(form) or any(want not in (-1, have) for want, have in zip(form, got, strict=True)):
            raise FetchError(f"expected {ready.name} to hold {name} of {tuple(form)}; got {got or 'none'}")


# Fetching.


def _from_sources(
    item: Item, archive: Path | None, staging: Path, record: dict[str, str], **options
) -> tuple[Path, dict[str, str]]:
    """The finished item from its first source that is good, or from a copy at hand, and the hashes to keep."""
    problems = []
    for source in item.sources:
        for address in [archive] if archive else source.addresses:
            attempt = Path(tempfile.mkdtemp(dir=staging))
            raw = attempt / "download"
            try:
                if archive:
                    shutil.copyfile(archive, raw)
                else:
                    download(address, raw, limit=_with_slack(source.size), **options)
                _compare(raw, source, "" if archive else record.get(source.addresses[0], ""), str(address))
                kept = {} if archive or source.digest else {source.addresses[0]: digest(raw, "sha256")}
                ready = _prepare(item, raw, attempt)
                _check(item, ready, count=not archive)
            except FetchError as error:
                problems.append(str(error) if str(address) in str(error) else f"{address}: {error}")
                shutil.rmtree(attempt)
            else:
                return ready, kept
    raise FetchError("; ".join(problems))


def _replace(ready: Path, target: Path, aside: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.is_dir():
        os.replace(ready, target)
        return
    os.replace(target, aside)  # a folder cannot be replaced in one step
    try:
        os.replace(ready, target)
    except OSError:
        os.replace(aside, target)
        raise


def _fetch_item(dataset: Dataset, item: Item, folder: Path, archive: Path | None, **options) -> Status:
    mirror, record = _mirror(), _record(folder)
    folder.mkdir(parents=True, exist_ok=True)
    need = item.size + (0 if mirror or archive else item.sources[0].size)
    if (free := shutil.disk_usage(folder).free) < need:
        raise FetchError(f"{folder} needs {need:,} bytes free and has {free:,}; make room or set DLCOURSE_DATA")
    for stale in folder.glob(".fetch-*"):  # of a process that was killed
        if stale.stat().st_mtime < time.time() - 24 * 3600:
            shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder, ignore_cleanup_errors=True) as name:
        staging = Path(name)
        if mirror and not archive:
            ready, kept = _from_mirror(item, mirror, staging, **options), {}
            _check(item, ready, count=False)
        else:
            ready, kept = _from_sources(item, archive, staging, record, **options)
            record = {}  # the download's own hash was checked
        found = _identify(dataset.name, item, ready, record)
        if found.status == "changed":
            raise FetchError(f"{mirror}/{item.path}: {found.detail}")
        if found.status == "unknown":
            kept[item.path] = digest(ready, _kind(item))
            found = dataclasses.replace(found, status="ok", detail="its hash is kept from now on")
        _replace(ready, folder / item.path, staging / "earlier")
        if kept:
            (staging / RECORD).write_text(json.dumps({**_record(folder), **kept}, indent=1, sort_keys=True) + "\n")
            os.replace(staging / RECORD, folder / RECORD)
    return found


def fetch(
    name: str,
    folder: Path | None = None,
    *,
    archive: Path | None = None,
    again: bool = False,
    progress: bool = True,
    timeout: float = 30.0,
) -> list[Status]:
    """Bring a dataset into the data folder, from its publisher or from ``DLCOURSE_MIRROR``.

    Args:
        name: a name in ``DATASETS``.
        folder: the data folder; ``paths.data()`` by default.
        archive: a copy of the published file that is at hand, instead of a download.
        again: fetch even what is there.
        progress: show progress bars on standard error.
        timeout: seconds without an answer or a byte after which an address is given up.

    Returns:
        One :class:`Status` an item.

    Raises:
        FetchError: if it fails; nothing is left behind, and what was there stays.
    """
    dataset = name if isinstance(name, Dataset) else select([name])[0]
    folder, archive = Path(folder or paths.data()), Path(archive) if archive else None
    single = len(dataset.items) == 1
    if archive and not single:
        raise FetchError(f"{dataset.name} consists of {len(dataset.items)} files: no one archive can be named for it")
    statuses = []
    for item in dataset.items:
        try:
            status = _identify(dataset.name, item, folder / item.path, _record(folder))
            if again or archive or status.status in ("missing", "changed"):
                status = _fetch_item(dataset, item, folder, archive, timeout=timeout, progress=progress)
        except FetchError as error:
            hand = f", or download it by hand from {dataset.page} and name it with --archive" if single else ""
            hand = ", or unset DLCOURSE_MIRROR" if os.environ.get("DLCOURSE_MIRROR") else hand
            raise FetchError(f"{dataset.name}: {error}. Nothing was changed; try again later{hand}") from error
        except OSError as error:
            raise FetchError(
                f"{dataset.name}: cannot write {item.path} in {folder} ({error}). "
                "Nothing was changed; make room there or set DLCOURSE_DATA"
            ) from error
        statuses.append(status)
    return statuses


# python -m dlcourse data


def add_arguments(parser) -> None:
    """Add ``list``, ``fetch`` and ``verify`` to the parser of ``python -m dlcourse data``."""
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="what there is, its size and licence, and whether it is here")
    fetching = actions.add_parser("fetch", help="download datasets (all of them for no names)")
    fetching.add_argument("--archive", type=Path, help="use this copy of the published file instead of downloading")
    fetching.add_argument("--again", action="store_true", help="fetch even what is here")
    fetching.add_argument("--timeout", type=float, default=30.0, help="seconds of silence to bear (%(default)s)")
    verifying = actions.add_parser("verify", help="compare what is here with its hashes")
    for action in (fetching, verifying):
        action.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(DATASETS)}; weights for all weights")


def main(arguments) -> int:
    """Run what :func:`add_arguments` parsed and return the exit status."""
    try:
        return {"list": _list, "fetch": _fetch, "verify": _verify}[arguments.action](arguments)
    except FetchError as error:
        print(error, file=sys.stderr)
        return 1


def _list(_) -> int:
    print(f"{'in ' + str(paths.data()):24} here        size  what it is, licence, address")
    for row in describe():
        print(f"  {row['name']:22} {row['present']:7} {row['size']:>10}  {row['title']}")
        print(f"{'':44}{row['licence']}; {row['address']}")
    return 0


def _fetch(arguments) -> int:
    chosen, failures = select(arguments.names), 0
    if arguments.archive and len(chosen) != 1:
        raise FetchError("--archive goes with exactly one name")
    for each in chosen:
        print(f"{each.name}: {each.title}. Licence: {each.licence}. Please cite: {each.citation}")
        try:
            for status in fetch(each, archive=arguments.archive, again=arguments.again, timeout=arguments.timeout):
                print(f"  {status.path}: {status.status}, {status.detail}")
        except FetchError as error:
            print(f"  {error}", file=sys.stderr)
            failures += 1
    return 1 if failures else 0


def _verify(arguments) -> int:
    statuses = verify(arguments.names)
    for status in statuses:
        print(f"{status.status:9}{status.path}{': ' if status.detail else ''}{status.detail}")
    bad = ("changed", "missing") if arguments.names else ("changed",)
    return 1 if any(status.status in bad for status in statuses) else 0
