"""Bringing a dataset of the catalogue into the data folder: all of it, checked, or nothing.

Everything is downloaded into a temporary folder inside the data folder, checked, converted or unpacked there, and
only then renamed into place: a failure leaves nothing behind and the earlier copy untouched.
"""

import concurrent.futures
import dataclasses
import html
import json
import os
import pickle
import re
import shutil
import sys
import tempfile
import time
import urllib.parse
import zipfile
from pathlib import Path

import numpy as np
import tqdm

from dlcourse import archives, catalogue, paths
from dlcourse.catalogue import RECORD, Dataset, Item, Source, Status
from dlcourse.downloads import FetchError, download

MAGIC = {".h5": b"\x89HDF", ".npz": b"PK", ".jpg": b"\xff\xd8", ".jpeg": b"\xff\xd8"}


# Downloading.


def _compare(raw: Path, source: Source, kept: str, origin: str) -> None:
    expected = source.digest or kept
    if not expected or (found := catalogue.digest(raw, expected.partition(":")[0])) == expected:
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
        arrays = catalogue.read_arrays(ready) if item.arrays else {}
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
                    download(address, raw, limit=catalogue.with_slack(source.size), **options)
                _compare(raw, source, "" if archive else record.get(source.addresses[0], ""), str(address))
                kept = {} if archive or source.digest else {source.addresses[0]: catalogue.digest(raw, "sha256")}
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
    mirror, record = _mirror(), catalogue.read_record(folder)
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
        found = catalogue.identify(dataset.name, item, ready, record)
        if found.status == "changed":
            raise FetchError(f"{mirror}/{item.path}: {found.detail}")
        if found.status == "unknown":
            kept[item.path] = catalogue.digest(ready, catalogue.digest_kind(item))
            found = dataclasses.replace(found, status="ok", detail="its hash is kept from now on")
        _replace(ready, folder / item.path, staging / "earlier")
        if kept:
            (staging / RECORD).write_text(
                json.dumps({**catalogue.read_record(folder), **kept}, indent=1, sort_keys=True) + "\n"
            )
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
    dataset = name if isinstance(name, Dataset) else catalogue.select([name])[0]
    folder, archive = Path(folder or paths.data()), Path(archive) if archive else None
    single = len(dataset.items) == 1
    if archive and not single:
        raise FetchError(f"{dataset.name} consists of {len(dataset.items)} files: no one archive can be named for it")
    statuses = []
    for item in dataset.items:
        try:
            status = catalogue.identify(dataset.name, item, folder / item.path, catalogue.read_record(folder))
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
        action.add_argument(
            "names", nargs="*", metavar="NAME", help=f"{', '.join(catalogue.DATASETS)}; weights for all weights"
        )


def main(arguments) -> int:
    """Run what :func:`add_arguments` parsed and return the exit status."""
    try:
        return {"list": _list, "fetch": _fetch, "verify": _verify}[arguments.action](arguments)
    except FetchError as error:
        print(error, file=sys.stderr)
        return 1


def _list(_) -> int:
    print(f"{'in ' + str(paths.data()):24} here        size  what it is, licence, address")
    for row in catalogue.describe():
        print(f"  {row['name']:22} {row['present']:7} {row['size']:>10}  {row['title']}")
        print(f"{'':44}{row['licence']}; {row['address']}")
    return 0


def _fetch(arguments) -> int:
    chosen, failures = catalogue.select(arguments.names), 0
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
    statuses = catalogue.verify(arguments.names)
    for status in statuses:
        print(f"{status.status:9}{status.path}{': ' if status.detail else ''}{status.detail}")
    bad = ("changed", "missing") if arguments.names else ("changed",)
    return 1 if any(status.status in bad for status in statuses) else 0
