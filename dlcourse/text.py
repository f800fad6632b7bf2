"""Loading and splitting texts: labelled reviews and sentences, the real ones or their stand-ins."""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from dlcourse import paths
from dlcourse.samples import emojis, reviews
from dlcourse.vocabularies import tokenize

# Keras' convention for IMDb: 0 pads, 1 starts a review, 2 stands for a word outside the vocabulary, and the most
# frequent word (rank 1) is 4.
PADDING, START, UNKNOWN, OFFSET = 0, 1, 2, 3

EMOJI_CLASSES = ("love", "sports", "happy", "sad", "food")
EMOJIS = ("❤️", "⚾️", "😊", "😞", "🍽️")


@dataclass(frozen=True)
class Reviews:
    """Film reviews as word numbers, in three disjoint splits.

    Attributes:
        name, source, description: as in ``images.ImageArrays``.
        classes: ``("negative", "positive")``.
        words: the size of the vocabulary; every number is below it.
        x_train, x_validation, x_test: a list of int32 arrays, one a review, of differing lengths, each starting with 1.
        y_train, y_validation, y_test: int64, (n,), 0 or 1.
        word_index: word to rank, 1 for the most frequent.
    """

    name: str
    source: str
    description: str
    classes: tuple[str, str]
    words: int
    x_train: list[np.ndarray]
    y_train: np.ndarray
    x_validation: list[np.ndarray]
    y_validation: np.ndarray
    x_test: list[np.ndarray]
    y_test: np.ndarray
    word_index: dict[str, int]

    def decode(self, numbers: Iterable[int]) -> str:
        """The review as words again; a word outside the vocabulary is shown as ``[?]``, padding not at all."""
        if "_by_rank" not in self.__dict__:
            object.__setattr__(self, "_by_rank", {rank: word for word, rank in self.word_index.items()})
        skipped = (PADDING, START)
        return " ".join(
            self._by_rank.get(int(number) - OFFSET, "[?]") for number in numbers if int(number) not in skipped
        )

    def encode(self, text: str) -> list[int]:
        """A typed review as word numbers.

        Raises:
            ValueError: if it has no word, or none that is in the vocabulary: a model could only guess.
        """
        found = tokenize(text)
        if not found:
            raise ValueError(f"expected a review of at least one word; got {text!r}")
        ranks = [self.word_index.get(word, self.words) for word in found]
        numbers = [rank + OFFSET if rank + OFFSET < self.words else UNKNOWN for rank in ranks]
        if all(number == UNKNOWN for number in numbers):
            shown = " ".join(found[:8])
            raise ValueError(f"none of these words is among the {self.words:,} known ones: {shown}; try other words")
        return [START, *numbers]


@dataclass(frozen=True)
class Sentences:
    """Short labelled sentences, small enough that validation is by cross-validation inside the training split.

    Attributes:
        name, source, description: as in ``images.ImageArrays``.
        classes: the meanings, in the order of the labels.
        train_texts, test_texts: the sentences.
        y_train, y_test: int64, (n,).
    """

    name: str
    source: str
    description: str
    classes: tuple[str, ...]
    train_texts: list[str]
    y_train: np.ndarray
    test_texts: list[str]
    y_test: np.ndarray


def load_reviews(*, source: str, seed: int, limit: int | None = None, words: int = 10_000) -> Reviews:
    """Film reviews: IMDb's 25,000 + 25,000, or reviews written by a grammar.

    A fifth of the training reviews, stratified, is held out for validation.

    Args:
        source: ``"auto"``, ``"sample"`` or ``"real"``.
        seed: decides which training reviews validate, and shuffles them; the test set never changes.
        limit: the most reviews a split may hold, or None for all.
        words: the size of the vocabulary, counting the three numbers that are not words.

    Raises:
        FileNotFoundError: if real data was asked for and is not there.
        ValueError: if the files do not hold what they should.
    """
    files = paths.locate(source, "imdb", "imdb/reviews.npz", "imdb/imdb_word_index.json")
    if files:
        (x_train, y_train), (x_test, y_test) = _read_reviews(files[0])
        word_index = _read_word_index(files[1])
        description = f"IMDb, {len(x_train):,} + {len(x_test):,} reviews"
    else:
        (x_train, y_train), (x_test, y_test) = reviews.load()
        word_index = reviews.word_index()
        description = f"reviews written by a grammar, {len(x_train):,} + {len(x_test):,}"
    training, validation = train_test_split(np.arange(len(y_train)), test_size=0.2, stratify=y_train, random_state=seed)
    test = np.random.default_rng(0).permutation(len(y_test))  # stored by class: any part should hold both

    def numbered(ranks_of_reviews, rows):
        return [
            np.concatenate([[START], np.where(ranks + OFFSET < words, ranks + OFFSET, UNKNOWN)]).astype(np.int32)
            for ranks in (np.asarray(ranks_of_reviews[row]) for row in rows[:limit])
        ]

    y_train, y_test = np.asarray(y_train, np.int64), np.asarray(y_test, np.int64)
    return Reviews(
        name="imdb",
        source="real" if files else "sample",
        description=description,
        classes=("negative", "positive"),
        words=words,
        x_train=numbered(x_train, training),
        y_train=y_train[training][:limit],
        x_validation=numbered(x_train, validation),
        y_validation=y_train[validation][:limit],
        x_test=numbered(x_test, test),
        y_test=y_test[test][:limit],
        word_index=word_index,
    )


def load_sentences(*, source: str) -> Sentences:
    """Sentences with the emoji that fits: the report's 132 + 56, or this project's own.

    Raises:
        FileNotFoundError: if real data was asked for and is not there.
        ValueError: if a row is not a sentence and a label from 0 to 4.
    """
    files = paths.locate(source, "emojify", "emojify/train_emoji.csv", "emojify/test_emoji.csv")
    if files:
        (train_texts, y_train), (test_texts, y_test) = map(_read_sentences, files)
        description = f"Emojify, {len(train_texts)} + {len(test_texts)} sentences"
    else:
        (train_texts, y_train), (test_texts, y_test) = emojis.load()
        description = f"this project's own {len(train_texts)} + {len(test_texts)} sentences"
    return Sentences(
        name="emojify",
        source="real" if files else "sample",
        description=description,
        classes=EMOJI_CLASSES,
        train_texts=list(train_texts),
        y_train=np.asarray(y_train, np.int64),
        test_texts=list(test_texts),
        y_test=np.asarray(y_test, np.int64),
    )


def _read_reviews(path: Path):
    try:
        with np.load(path, allow_pickle=False) as stored:
            splits = [
                [stored[f"{part}_{split}"] for part in ("tokens", "offsets", "labels")] for split in ("train", "test")
            ]
    except Exception as error:  # NumPy raises half a dozen kinds for a damaged archive
        raise ValueError(f"{path} is not a readable archive of reviews: {error}; fetch it again") from error
    for tokens, offsets, labels in splits:
        if any(part.ndim != 1 or part.dtype.kind not in "iu" for part in (tokens, offsets, labels)):
            kinds = ", ".join(f"{part.dtype} {part.shape}" for part in (tokens, offsets, labels))
            raise ValueError(f"{path}: expected flat arrays of integers; got {kinds}; fetch it again")
        if (
            len(offsets) != len(labels) + 1
            or offsets[0] != 0
            or offsets[-1] != len(tokens)
            or np.any(np.diff(offsets) < 0)
            or not np.array_equal(np.unique(labels), [0, 1])
        ):
            raise ValueError(
                f"{path}: expected rising offsets from 0 to {len(tokens)}, one more than reviews, and labels 0 and 1; "
                f"got {len(offsets)} offsets {offsets[:3]}…, {len(labels)} labels {np.unique(labels)[:5]}; "
                "fetch it again"
            )
        if len(tokens) and tokens.min() < 1:
            raise ValueError(f"{path}: expected word ranks from 1; got {tokens.min()}; fetch it again")
    return [(np.split(tokens, offsets[1:-1]), labels) for tokens, offsets, labels in splits]


def _read_word_index(path: Path) -> dict[str, int]:
    try:
        word_index = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not readable JSON: {error}; fetch it again") from error
    if not isinstance(word_index, dict) or not all(isinstance(rank, int) for rank in word_index.values()):
        raise ValueError(f"{path}: expected a rank for every word; got {str(word_index)[:60]}; fetch it again")
    return word_index


def _read_sentences(path: Path) -> tuple[list[str], list[int]]:
    texts, labels = [], []
    try:
        content = path.read_bytes().decode("utf-8-sig")  # spreadsheets put a byte-order mark first
    except ValueError as error:
        raise ValueError(f"{path}: expected text in UTF-8; {error}; save it so or fetch it again") from error
    for number, row in enumerate(csv.reader(io.StringIO(content, newline="")), start=1):
        if len(row) < 2 or not row[0].strip() or row[1].strip() not in {"0", "1", "2", "3", "4"}:
            raise ValueError(f"{path}, line {number}: expected a sentence and a label from 0 to 4; got {row}")
        texts.append(row[0].strip())
        labels.append(int(row[1]))
    if not texts:
        raise ValueError(f"{path} is empty: expected a sentence and a label on every line; fetch it again")
    return texts, labels
