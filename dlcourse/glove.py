"""Word vectors on disk: a text file such as GloVe's, read once into memory maps that later loads only open."""

import array
import bisect
import mmap
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dlcourse import paths


def read(path: Path) -> tuple[Sequence[str], np.ndarray]:
    """Read a file of word vectors through its memory map, making the map if the file is new or has changed.

    Args:
        path: a text file with a word and its numbers, separated by single spaces, on every line.

    Returns:
        The words, which stay on disk until asked for, and a read-only float32 memory map (words, dimensions).

    Raises:
        ValueError: if a line does not have a new word and as many finite numbers as the first.
    """
    state = path.stat()
    folder = paths.cache() / f"{path.stem}-{state.st_size}-{state.st_mtime_ns}"
    try:
        return _map(folder)
    except (OSError, ValueError, EOFError):  # not there yet, or damaged
        _convert(path, folder)
    return _map(folder)


class MappedWords(Sequence):
    """The words of a converted file, which stay on disk until asked for.

    As Python strings in a dict, 400,000 would take longer and more memory than everything else, and a lesson asks for a
    few hundred.
    """

    def __init__(self, folder: Path):
        with open(folder / "words.txt", "rb") as file:
            self._text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        # Word k stands from starts[k] to the line feed before starts[k + 1]; `order` sorts the words by their bytes.
        self._starts, self._order = (np.asarray(_map_array(folder, name)) for name in ("starts", "order"))
        if self._starts[-1] != len(self._text) or len(self._order) != len(self):
            raise ValueError(f"{folder} is damaged")

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, row):
        if isinstance(row, slice):
            return [self[each] for each in range(len(self))[row]]
        return self._bytes(range(len(self))[row]).decode()

    def __iter__(self):
        return iter(self._text[:].decode().split("\n")[:-1])

    def __contains__(self, word) -> bool:
        return self.find(word) is not None

    def find(self, word: str) -> int | None:
        """The row of `word`, or None; by binary search."""
        sought = word.encode(errors="surrogatepass")
        place = bisect.bisect_left(self._order, sought, key=self._bytes)
        if place < len(self) and self._bytes(self._order[place]) == sought:
            return int(self._order[place])
        return None

    def _bytes(self, row: int) -> bytes:
        return self._text[self._starts[row] : self._starts[row + 1] - 1]


class MappedIndex(Mapping):
    """Word to number, as ``vocabularies.Vocabulary`` counts, from 1, for words that stay on disk."""

    def __init__(self, words: MappedWords):
        self._words = words

    def __getitem__(self, word: str) -> int:
        row = self._words.find(word)
        if row is None:
            raise KeyError(word)
        return row + 1

    def __iter__(self):
        return iter(self._words)

    def __len__(self) -> int:
        return len(self._words)


def _map_array(folder: Path, name: str) -> np.ndarray:
    return np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)


def _map(folder: Path) -> tuple[MappedWords, np.ndarray]:
    words, matrix = MappedWords(folder), _map_array(folder, "vectors")
    if len(words) != len(matrix):
        raise ValueError(f"{folder} is damaged")
    return words, matrix


def _convert(path: Path, folder: Path) -> None:
    rows: dict[bytes, int] = {}
    values = array.array("f")
    dimensions = 0

    def explain(line_number, line):
        wanted = f"a new word and {dimensions or 'its'} numbers"
        shown = line[:60].decode(errors="replace")
        return ValueError(f"{path}, line {line_number}: expected {wanted}; got {shown!r}; fetch the file again")

    with open(path, "rb") as lines:
        for line_number, line in enumerate(lines, start=1):
            word, *numbers = line.rstrip(b"\r\n").split(b" ")
            try:
                word.decode()
                values.extend(map(float, numbers))
            except ValueError:  # a byte that is not UTF-8, or a number that is none
                raise explain(line_number, line) from None
            if not word or not numbers or word in rows or (rows and len(numbers) != dimensions):
                raise explain(line_number, line)
            dimensions = len(numbers)
            rows[word] = line_number - 1
    if not rows:
        raise ValueError(f"{path} is empty: expected a word and its numbers on every line; fetch the file again")
    matrix = np.frombuffer(values, np.float32).reshape(len(rows), dimensions)
    if not np.isfinite(matrix).all():
        row = int(np.flatnonzero(~np.isfinite(matrix).all(axis=1))[0])
        raise ValueError(f"{path}, line {row + 1}: expected finite numbers; got {matrix[row]}; fetch the file again")
    lengths = np.fromiter((len(word) + 1 for word in rows), np.int64, len(rows))
    order = np.fromiter((rows[word] for word in sorted(rows)), np.int32, len(rows))
    # The words are written last and make the others valid, so that a reader never sees half of them.
    folder.mkdir(parents=True, exist_ok=True)
    for name, write in (
        ("vectors.npy", lambda file: np.save(file, matrix)),
        ("starts.npy", lambda file: np.save(file, np.concatenate([[0], np.cumsum(lengths)]))),
        ("order.npy", lambda file: np.save(file, order)),
        ("words.txt", lambda file: file.write(b"\n".join(rows) + b"\n")),
    ):
        partial = folder / f"{name}.{os.getpid()}.part"
        with open(partial, "wb") as file:
            write(file)
        partial.replace(folder / name)
