"""Archives of strangers: unpacking them without harm, and their pickles turned into plain arrays."""

import gzip
import pickle
import re
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from dlcourse.downloads import FetchError


def unpack(archive: Path, rules: tuple[tuple[str, str], ...], target: Path, *, limit: int, files: int) -> None:
    """Unpack the members of a .zip or .tar archive that rules name.

    Args:
        archive: the file.
        rules: (regular expression of a member's name, place below `target`); the first that matches counts.
        target: a folder that does not exist yet.
        limit: the most bytes to write.
        files: how many files are expected, roughly.

    Raises:
        FetchError: if it is no archive, is damaged, holds far more than expected, or could write elsewhere.
    """
    target.mkdir()
    written, most = 0, 1000 + 10 * files
    try:
        for count, (name, opener) in enumerate(_members(archive, limit)):
            if count >= most:
                raise FetchError(f"the archive has more than the {most:,} members expected at most")
            place = next((match.expand(to) for pattern, to in rules if (match := re.search(pattern, name))), None)
            if place is None or (target / place).exists():  # Kaggle's archives hold everything twice
                continue
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            with opener() as source, open(target / place, "wb") as file:
                while chunk := source.read(2**20):
                    written += len(chunk)
                    if written > limit:
                        raise FetchError(f"the archive holds more than the {limit:,} bytes expected at most")
                    file.write(chunk)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError, RuntimeError) as error:
        if isinstance(error, FetchError):
            raise
        raise FetchError(f"the archive is damaged or encrypted ({error})") from error


class _ArraysOnly(pickle.Unpickler):
    """Rebuilds NumPy arrays and refuses everything else that a pickle may name."""

    def find_class(self, module, name):
        rebuilding = module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct"
        if not rebuilding and (module, name) not in (("numpy", "ndarray"), ("numpy", "dtype")):
            raise pickle.UnpicklingError(f"the pickle names {module}.{name}, which no array needs")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def cifar10(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of the published batches in a folder: x (n, 32, 32, 3) and y (n, 1), uint8, of train and test."""
    arrays = {}
    for split, pattern in (("train", "data_batch_*"), ("test", "test_batch")):
        batches = []
        for file in sorted(folder.glob(pattern)):
            with open(file, "rb") as stream:
                batches.append(_ArraysOnly(stream, encoding="bytes").load())
        pixels = np.concatenate([batch[b"data"] for batch in batches])  # (n, 3072), channel after channel
        arrays[f"x_{split}"] = np.ascontiguousarray(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        arrays[f"y_{split}"] = np.concatenate([batch[b"labels"] for batch in batches]).astype("uint8")[:, None]
    return arrays


def imdb(archive: Path) -> dict[str, np.ndarray]:
    """The reviews of the published ``imdb.npz`` as flat arrays: tokens, offsets (n + 1) and labels."""
    arrays = {}
    with zipfile.ZipFile(archive) as file:
        for split in ("train", "test"):
            with file.open(f"x_{split}.npy") as stream:
                version = np.lib.format.read_magic(stream)[0]
                (np.lib.format.read_array_header_1_0 if version == 1 else np.lib.format.read_array_header_2_0)(stream)
                reviews = _ArraysOnly(stream).load()
            with file.open(f"y_{split}.npy") as stream:
                arrays[f"labels_{split}"] = np.lib.format.read_array(stream, allow_pickle=False).astype("int8")
            arrays[f"tokens_{split}"] = np.concatenate([np.asarray(review, "int32") for review in reviews])
            arrays[f"offsets_{split}"] = np.cumsum([0, *map(len, reviews)], dtype="int64")
    return arrays


CONVERTERS = {"cifar10": cifar10, "imdb": imdb}


def _members(archive: Path, limit: int):
    """Yield (name, size, opener) of an archive's regular files; refuse whatever could lead out of the folder."""

    def safe(name, regular):
        parts = PurePosixPath(name.replace("\\", "/"))
        if not regular or parts.is_absolute() or ".." in parts.parts or PureWindowsPath(name).drive:
            raise FetchError(f"the archive is unsafe: {name!r} is a link, a device or leads out of the folder")
        return name

    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            for member in file.infolist():
                kind = stat.S_IFMT(member.external_attr >> 16)
                safe(member.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR))
                if not member.is_dir():
                    yield member.filename, lambda member=member: file.open(member)
    elif tarfile.is_tarfile(archive):
        total = 0
        with tarfile.open(archive) as file:
            for member in file:
                safe(member.name, member.isreg() or member.isdir())
                total += member.size  # even what is skipped has to be inflated
                if total > limit:
                    raise FetchError(f"the archive holds more than the {limit:,} bytes expected at most")
                if member.isreg():
                    yield member.name, lambda member=member: file.extractfile(member)
    else:
        with open(archive, "rb") as file:
            raise FetchError(f"expected a .zip or .tar archive, got a file that begins with {file.read(20)!r}")
