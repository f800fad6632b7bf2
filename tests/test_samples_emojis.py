"""The embedded emoji sentences: shaped like the original, free of overlap, and worth learning from."""

import numpy
import pytest
from sklearn import linear_model

from dlcourse.samples import emojis


def known_words(text, index):
    return [word for word in text.lower().split() if word in index]


@pytest.fixture(scope="module")
def sentences():
    return emojis.load()


@pytest.fixture(scope="module")
def vectors():
    words, rows = emojis.word_vectors()
    return dict(zip(words, rows, strict=True))


def nearest(vector, vectors, leave_out):
    def cosine(word):
        return vectors[word] @ vector / numpy.linalg.norm(vectors[word])

    return max((word for word in vectors if word not in leave_out), key=cosine)


def test_classes_stand_in_the_proportions_of_the_original(sentences):
    (_, train_labels), (_, test_labels) = sentences
    assert numpy.bincount(train_labels).tolist() == [3 * count for count in (22, 19, 38, 36, 17)]
    assert numpy.bincount(test_labels).tolist() == [3 * count for count in (7, 8, 18, 16, 7)]


def test_sentences_have_two_to_ten_words(sentences):
    for texts, labels in sentences:
        assert len(texts) == len(labels)
        for text in texts:
            assert text == " ".join(text.split())
            assert 2 <= len(text.split()) <= 10


def test_no_sentence_occurs_twice(sentences):
    (train_texts, _), (test_texts, _) = sentences
    lowered = [text.lower() for text in train_texts + test_texts]
    assert len(set(lowered)) == len(lowered)


def test_classes_are_mixed(sentences):
    (_, train_labels), _ = sentences
    assert len(set(train_labels[:20].tolist())) == len(emojis.LABELS)


def test_the_same_words_in_another_order_mean_something_else(sentences):
    (train_texts, train_labels), (test_texts, test_labels) = sentences
    frames = {"I prefer ": set(), "I love ": set()}
    for text, label in [*zip(train_texts, train_labels, strict=True), *zip(test_texts, test_labels, strict=True)]:
        for start, found in frames.items():
            if text.startswith(start) and (" to " in text or " more than " in text):
                found.add(emojis.LABELS[label])
    assert frames["I prefer "] == {"sports", "food"}
    assert frames["I love "] == {"love", "sports", "food"}


def test_loading_and_drawing_repeat_exactly(sentences):
    again = emojis.load()
    assert again[0][0] == sentences[0][0]
    assert again[1][0] == sentences[1][0]
    numpy.testing.assert_array_equal(emojis.word_vectors()[1], emojis.word_vectors(0)[1])
    assert not numpy.array_equal(emojis.word_vectors(1)[1], emojis.word_vectors(0)[1])


def test_word_vectors_are_shaped_like_glove():
    words, rows = emojis.word_vectors()
    assert rows.shape == (len(words), emojis.VECTOR_SIZE)
    assert rows.dtype == numpy.float32
    assert len(set(words)) == len(words)
    assert all(word == word.lower() and word.split() == [word] for word in words)
    assert numpy.linalg.norm(rows, axis=1).min() > 1  # no row for padding


def test_word_vectors_refuse_a_seed_that_is_none():
    with pytest.raises(ValueError, match="non-negative integer"):
        emojis.word_vectors(-1)


@pytest.mark.parametrize(
    ("male", "female", "start", "goal"),
    [("man", "woman", "king", "queen"), ("man", "woman", "father", "mother"), ("he", "she", "uncle", "aunt")],
)
def test_analogies_hold(vectors, male, female, start, goal):
    point = vectors[start] - vectors[male] + vectors[female]
    assert nearest(point, vectors, {male, female, start}) == goal


@pytest.mark.parametrize(
    ("word", "kin"),
    [("soup", "pasta rice pizza salt"), ("tennis", "hockey golf rugby"), ("sad", "lonely upset"), ("happy", "glad")],
)
def test_words_of_a_topic_lie_together(vectors, word, kin):
    others = [vectors[other] for other in kin.split()]
    strangers = [vectors[other] for other in ("tuesdays", "because", "five", "weather")]
    distances = [numpy.linalg.norm(vectors[word] - other) for other in others]
    assert max(distances) < min(numpy.linalg.norm(vectors[word] - stranger) for stranger in strangers)


def test_a_few_words_are_unknown_and_every_sentence_has_known_ones(sentences, vectors):
    texts = sentences[0][0] + sentences[1][0]
    total = sum(len(text.split()) for text in texts)
    unknown = total - sum(len(known_words(text, vectors)) for text in texts)
    assert 0.02 < unknown / total < 0.08
    assert all(known_words(text, vectors) for text in texts)


@pytest.mark.parametrize("seed", range(5))
def test_averaged_words_see_something_but_not_the_point(sentences, seed):
    """The LSTM of the lesson reaches about 90 %; words without their order must stay well below it."""
    words, rows = emojis.word_vectors(seed)
    index = {word: number for number, word in enumerate(words)}

    def averaged(texts):
        return numpy.stack([rows[[index[word] for word in known_words(text, index)]].mean(axis=0) for text in texts])

    (train_texts, train_labels), (test_texts, test_labels) = sentences
    model = linear_model.LogisticRegression(max_iter=2000).fit(averaged(train_texts), train_labels)
    assert 0.55 < model.score(averaged(test_texts), test_labels) < 0.78
