"""Trained Emojify models as functions from texts to answers, several versions side by side."""

import random
from pathlib import Path

import numpy as np
import tensorflow as tf

from dlcourse import checkpoints
from dlcourse.vocabularies import Vocabulary, tokenize

LESSON = "13_emojify_lstm"


class NothingKnownError(ValueError):
    """A text has no word that the model knows, so that it could only guess."""


class UnknownVersionError(LookupError):
    """Somebody asked for a model version that is not served."""


class Emojify:
    """One trained model, its vocabulary and its emojis; the ``.h5`` file and its card are all it needs.

    Args:
        path: of the ``.h5`` file, as lesson 13 saves it.

    Attributes:
        card: the model's card.
        version: the file's name and the first digits of its hash, such as ``emojify_lstm-655894f2``.

    Raises:
        checkpoints.CheckpointError: if file or card is missing, damaged, changed, or of another kind of model.
    """

    def __init__(self, path: Path):
        model, self.card = checkpoints.load(path, made_by=LESSON)
        words, emojis, classes = (self.card.get(key) for key in ("vocabulary", "emojis", "classes"))
        self.version = f"{path.stem}-{self.card['sha256'][:8]}"
        try:
            self._vocabulary = Vocabulary(words)
            self._length = self.card["input"]["shape"][1]
            # Keras' predict prepares a loop over batches at every call, which takes far longer than so small a network.
            self._probabilities = tf.function(
                lambda numbers: model(numbers, training=False),
                input_signature=[tf.TensorSpec((None, self._length), tf.int32)],
                autograph=False,
            )
            highest = np.full((1, self._length), len(words), np.int32)  # also traces, before the first request
            fits = len(words) > 0 and self._probabilities(highest).shape == (1, len(classes))
            fits = fits and len(set(emojis)) == len(emojis) == len(classes)
        except Exception:  # whatever may be wrong with a card and a network
            fits = False
        if not fits:
            raise checkpoints.CheckpointError(
                f"{path} is no model of sentences: expected a card with a vocabulary and an emoji for each class, and "
                f"word numbers (n, words) in, probabilities (n, classes) out; run `make {LESSON}`"
            )
        self._emojis, self._meanings = emojis, classes

    def answers(self, texts: list[str]) -> list[dict]:
        """What the model makes of the texts, in their order, in one call of the network.

        The first ten known words of a text count; an unknown word is left out, or lends a relative's vector
        (*cookies*, *cookie*).

        Returns:
            For each text a dict: `emoji`, `emoji_meaning`, `confidence`, `all_predictions` (emoji to probability, the
            likeliest first, summing to 1) and `unknown_words`.

        Raises:
            NothingKnownError: if a text has no known word.
        """
        read = [self._read(text, number, len(texts)) for number, text in enumerate(texts, start=1)]
        numbers = self._vocabulary.encode([" ".join(known) for known, _ in read], self._length)
        probabilities = self._probabilities(numbers).numpy().astype(float)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        return [self._answer(row, unknown) for row, (_, unknown) in zip(probabilities, read, strict=True)]

    def _answer(self, row: np.ndarray, unknown: list[str]) -> dict:
        order = np.argsort(-row)
        return {
            "emoji": self._emojis[order[0]],
            "emoji_meaning": self._meanings[order[0]],
            "confidence": float(row[order[0]]),
            "all_predictions": {self._emojis[i]: float(row[i]) for i in order},
            "unknown_words": unknown,
        }

    def _read(self, text: str, number: int, count: int) -> tuple[list[str], list[str]]:
        """The words of a text as known ones or their relatives, and the unknown ones, each once."""
        relatives = {word: self._vocabulary.relative(word) for word in tokenize(text)}
        unknown = [word for word, relative in relatives.items() if relative is None]
        if len(unknown) == len(relatives):
            where = f"text {number} of {count}: " if count > 1 else ""
            found = f"none of these is: {', '.join(unknown)[:80]}" if unknown else "there is no word in it"
            raise NothingKnownError(f"{where}expected at least one word that the model knows; {found}")
        return [relatives[word] for word in tokenize(text) if relatives[word]], unknown


class Versions:
    """The Emojify models of a folder, and which of them answers.

    Args:
        folder: where ``emojify*.h5`` and their cards lie.
        share: ``(version, fraction)``: this version answers that share of the requests that ask for none (an A/B test).

    Attributes:
        models: version to model, the newest first.

    Raises:
        checkpoints.CheckpointError: if one of them is unfit, or there is none.
        UnknownVersionError: if the version that gets a share is not there.
        ValueError: if the share is not between 0 and 1.
    """

    def __init__(self, folder: Path, share: tuple[str, float] | None = None):
        paths = files(folder)
        if not paths:
            raise checkpoints.CheckpointError(f"{folder} holds no Emojify model; run `make {LESSON}`")
        found = [Emojify(path) for path in paths]
        # By the date on the card, since copying changes that of the file.
        found.sort(key=lambda model: str(model.card.get("saved", "")), reverse=True)
        self.models = {model.version: model for model in found}
        self._share = share
        if share:
            self.choose(share[0])
            if not 0 <= share[1] <= 1:
                raise ValueError(f"expected a share of the requests from 0 to 1; got {share[1]}")

    @property
    def newest(self) -> Emojify:
        """The model that was saved last."""
        return next(iter(self.models.values()))

    def choose(self, version: str | None = None) -> Emojify:
        """The model that is to answer a request.

        Raises:
            UnknownVersionError: if `version` is not there.
        """
        if version is None and self._share and random.random() < self._share[1]:
            version = self._share[0]
        if version is None:
            return self.newest
        if version not in self.models:
            raise UnknownVersionError(f"expected a model_version among {', '.join(self.models)}; got {version[:80]!r}")
        return self.models[version]


def files(folder: Path) -> list[Path]:
    """Where Emojify models are or, by a file left over, should be."""
    stems = {path.stem for ending in ("h5", "json") for path in folder.glob(f"emojify*.{ending}")}
    return [folder / f"{stem}.h5" for stem in sorted(stems) if not stem.endswith(".part")]
