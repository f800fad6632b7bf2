"""From written text to words, from words to numbers, and from numbers to vectors."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dlcourse import glove, paths
from dlcourse.samples import emojis

# Endings of English inflection, tried in this order by Vocabulary.relative.
_ENDINGS = ("s", "es", "ed", "ing", "er", "ers", "ly", "ity", "est", "n", "ion", "ies")


def tokenize(text: str) -> list[str]:
    """Lower-cased words of letters, digits and inner apostrophes; punctuation and control characters separate.

    The curly apostrophe of telephones becomes the straight one of the vocabularies, and a letter followed by its
    accent one letter.
    """
    plain = unicodedata.normalize("NFC", text).lower().replace("’", "'")
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", plain)


class Vocabulary:
    """Words numbered from 1 in the order given; 0 stands for padding and for unknown words alike.

    Args:
        words: without repeats.

    Attributes:
        words: the words in order; word number k is ``words[k - 1]``.
        index: word to number.

    Raises:
        ValueError: if a word comes twice.
    """

    def __init__(self, words: Sequence[str]):
        if isinstance(words, glove.MappedWords):  # known to be without repeats
            self.words, self.index = words, glove.MappedIndex(words)
            return
        self.words = list(words)
        self.index = {word: number for number, word in enumerate(self.words, start=1)}
        if len(self.index) < len(self.words):
            twice = next(word for number, word in enumerate(self.words, start=1) if self.index[word] != number)
            raise ValueError(f"expected words without repeats; got {twice!r} twice")

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self.index

    def encode(self, texts: Sequence[str], length: int, *, relatives: bool = False) -> np.ndarray:
        """Sentences as word numbers, cut or padded with 0 at the end; int32, (n, `length`).

        Args:
            texts: the sentences.
            length: word numbers a sentence gets.
            relatives: an unknown word takes the number of its :meth:`relative`, or is left out if it has none;
                otherwise it becomes 0.
        """
        numbers = np.zeros((len(texts), length), np.int32)
        for row, text in enumerate(texts):
            found = tokenize(text)
            if relatives:
                found = [known for known in map(self.relative, found) if known]
            known = [self.index.get(word, 0) for word in found[:length]]
            numbers[row, : len(known)] = known
        return numbers

    def relative(self, word: str) -> str | None:
        """The word itself if it is known, else a known word that differs from it in the ending only, else None."""
        if word in self.index:
            return word
        for ending in _ENDINGS:
            stem = word.removesuffix(ending)
            if stem != word and len(stem) >= 3:
                for form in (stem, stem + "e", stem + "y", stem + "s"):
                    if form in self.index:
                        return form
        return word + "s" if word + "s" in self.index else None

    def unknown(self, texts: Sequence[str]) -> dict[str, int]:
        """The words of `texts` that are not in the vocabulary and how often each occurs, most frequent first."""
        counts: dict[str, int] = {}
        for word in (word for text in texts for word in tokenize(text)):
            if word not in self.index:
                counts[word] = counts.get(word, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True)
class WordVectors:
    """Word vectors, such as GloVe's.

    Attributes:
        source, description: as in ``images.ImageArrays``.
        vocabulary: the words; word number k has row k - 1.
        matrix: float32, (words, dimensions); a read-only memory map where it came from a file.
    """

    source: str
    description: str
    vocabulary: Vocabulary
    matrix: np.ndarray

    def __getitem__(self, word: str) -> np.ndarray:
        """The word's vector, float32, (dimensions,); zeros for an unknown word, as the report has it."""
        number = self.vocabulary.index.get(word, 0)
        return np.array(self.matrix[number - 1]) if number else np.zeros(self.matrix.shape[1], np.float32)

    def nearest(self, vector: np.ndarray, count: int = 5, without: Sequence[str] = ()) -> list[tuple[str, float]]:
        """The words whose vectors point most nearly the same way, with the cosine of the angle, -1 to 1."""
        lengths = np.linalg.norm(self.matrix, axis=1) * np.linalg.norm(vector)
        cosines = self.matrix @ np.asarray(vector, np.float32) / np.maximum(lengths, 1e-12)
        best = np.argsort(-cosines)[: count + len(without)]
        found = [(self.vocabulary.words[row], float(cosines[row])) for row in best]
        return [(word, cosine) for word, cosine in found if word not in without][:count]

    def embedding_table(self) -> np.ndarray:
        """Rows for a Keras Embedding: zeros for number 0, then every word; float32, (words + 1, dimensions)."""
        return np.vstack([np.zeros((1, self.matrix.shape[1]), np.float32), self.matrix])


def load_word_vectors(*, source: str) -> WordVectors:
    """Word vectors of 50 dimensions: GloVe 6B, or drawn ones in which related words lie together.

    GloVe's text is read once into a memory map under ``paths.cache()``; later loads only map it.

    Raises:
        FileNotFoundError: if real data was asked for and is not there.
        ValueError: if a line is not a word and as many numbers as the first line has.
    """
    files = paths.locate(source, "glove", "glove/glove.6B.50d.txt")
    if not files:
        words, matrix = emojis.word_vectors()
        return WordVectors("sample", f"{len(words):,} drawn vectors (not learned from text)", Vocabulary(words), matrix)
    words, matrix = glove.read(files[0])
    return WordVectors("real", f"GloVe 6B, {len(words):,} of 400,000 words", Vocabulary(words), matrix)
