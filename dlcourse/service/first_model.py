"""A first Emojify model within seconds, for a service that is started before lesson 13 has run."""

from pathlib import Path

import keras
import numpy as np
from keras import layers

from dlcourse import checkpoints, evaluation, runtime, text, vocabularies
from dlcourse.service.emojify import LESSON

NAME = "emojify_first"
LENGTH = 10


def train(folder: Path, source: str = "auto", epochs: int = 60) -> Path:
    """Train lesson 13's masked LSTM once, measure it on the test sentences, and save it.

    Args:
        folder: where to save it.
        source: ``"auto"``, ``"sample"`` or ``"real"``: which sentences and word vectors; one kind for both.
        epochs: passes over the training sentences.

    Returns:
        The path of the model, ``emojify_first.h5``.

    Raises:
        FileNotFoundError: if real data was asked for and is not there.
    """
    lesson = runtime.start(LESSON, profile="full", source=source, seed=0)
    try:
        sentences = text.load_sentences(source=lesson.source)
        vectors = vocabularies.load_word_vectors(source=sentences.source)
    except FileNotFoundError:
        if source != "auto":
            raise
        return train(folder, "sample", epochs)  # sentences without word vectors are of no use
    x_train, x_test = (
        vectors.vocabulary.encode(texts, LENGTH, relatives=True)
        for texts in (sentences.train_texts, sentences.test_texts)
    )
    table = vectors.embedding_table()
    word_vectors = layers.Embedding(*table.shape, weights=table, trainable=False, mask_zero=True)
    model = keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="int32"),
            word_vectors,
            layers.Dropout(0.5),
            layers.Bidirectional(layers.LSTM(32, unroll=True)),
            layers.Dropout(0.5),
            layers.Dense(len(sentences.classes), activation="softmax"),
        ],
        name=NAME,
    )
    model.compile("adam", "sparse_categorical_crossentropy", steps_per_execution=5)
    model.fit(x_train, sentences.y_train, batch_size=32, epochs=epochs, verbose=0)
    probabilities = model.predict(x_test, verbose=0)
    path = folder / f"{NAME}.h5"
    checkpoints.save(
        model, path, x_test[:8], classes=list(sentences.classes), provenance=lesson.provenance(sentences),
        preprocessing="lower-cased words, relatives for unknown ones, numbered by the vocabulary, 10, 0 at the end",
        scores={"test_accuracy": evaluation.accuracy(sentences.y_test, np.argmax(probabilities, axis=1)).as_dict()},
        extras={"vocabulary": vectors.vocabulary.words, "emojis": list(text.EMOJIS)},
    )  # fmt: skip
    return path
