"""Reviews and sentences: what they hold, and files that are not what they should be."""

import collections
import json

import numpy as np
import pytest

from dlcourse import text

RANKED = ("the", "film", "good", "bad", "not", "it's", "boring", "café", "שלום", "rare")


# ---- reviews --------------------------------------------------------------------------------------------------


def review_arrays(train=40, test=20):
    """Arrays as in the real file; a review's first word rank is its index, so that it can be told apart."""
    generator = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", train), ("test", test)):
        ranks = [
            np.concatenate([[index + 1], generator.integers(1, 100, length)])
            for index, length in enumerate(generator.integers(0, 9, count))
        ]
        arrays[f"tokens_{split}"] = np.concatenate(ranks).astype(np.int32)
        arrays[f"offsets_{split}"] = np.cumsum([0, *map(len, ranks)]).astype(np.int64)
        arrays[f"labels_{split}"] = np.repeat([0, 1], count // 2).astype(np.int8)
    return arrays


@pytest.fixture
def store_reviews(data_folder):
    def write(arrays, word_index='{"the": 1, "film": 2, "good": 3}'):
        file = data_folder / "imdb" / "reviews.npz"
        np.savez(file, **arrays)
        (data_folder / "imdb" / "imdb_word_index.json").write_text(word_index, encoding="utf-8")
        return file

    return write


def ranks_of(arrays, split):
    return np.split(arrays[f"tokens_{split}"], arrays[f"offsets_{split}"][1:-1])


def as_keras_numbers(ranks, num_words, start_char=1, oov_char=2, index_from=3):
    """What ``keras.datasets.imdb.load_data`` makes of a stored review."""
    numbers = [start_char] + [rank + index_from for rank in ranks]
    return [number if number < num_words else oov_char for number in numbers]


def index_of(review):
    return int(review[1]) - text.OFFSET - 1


def test_reviews_are_numbered_as_keras_numbers_them(store_reviews):
    arrays = review_arrays()
    store_reviews(arrays)
    data = text.load_reviews(source="real", seed=0, words=60)
    stored = ranks_of(arrays, "train")
    assert len(data.x_train) == 32
    for review in data.x_train + data.x_validation:
        assert review.tolist() == as_keras_numbers(stored[index_of(review)].tolist(), 60)
    # Every number that Keras would keep occurs, and the first one that it would not does not.
    assert 59 in np.concatenate(data.x_train + data.x_test)
    assert 60 not in np.concatenate(data.x_train + data.x_test)


@pytest.mark.parametrize("source", ["sample", "real"])
def test_reviews_have_the_same_form_from_either_source(store_reviews, source):
    store_reviews(review_arrays())
    data = text.load_reviews(source=source, seed=0, words=2000)
    for reviews, labels in (
        (data.x_train, data.y_train),
        (data.x_validation, data.y_validation),
        (data.x_test, data.y_test),
    ):
        assert len(reviews) == len(labels)
        assert labels.dtype == np.int64
        assert set(labels.tolist()) == {0, 1}
        assert all(review.dtype == np.int32 and review[0] == text.START for review in reviews)
        assert all(review[1:].min() >= 2 and review.max() < 2000 for review in reviews)
    assert data.source == source
    assert data.name == "imdb"
    assert data.classes == ("negative", "positive")


def test_no_review_is_in_two_splits_and_each_keeps_its_label(store_reviews):
    store_reviews(review_arrays())
    data = text.load_reviews(source="real", seed=3, words=1000)
    training, validation = map(index_of, data.x_train), map(index_of, data.x_validation)
    training, validation = list(training), list(validation)
    assert sorted(training + validation) == list(range(40))
    assert [index >= 20 for index in training] == data.y_train.astype(bool).tolist()
    assert [index >= 20 for index in validation] == data.y_validation.astype(bool).tolist()
    assert [index_of(review) >= 10 for review in data.x_test] == data.y_test.astype(bool).tolist()
    assert sorted(map(index_of, data.x_test)) == list(range(20))


def test_a_fifth_of_the_reviews_validates_with_the_same_share_of_each_class(store_reviews):
    store_reviews(review_arrays(train=100))
    data = text.load_reviews(source="real", seed=0)
    assert collections.Counter(data.y_validation.tolist()) == {0: 10, 1: 10}


def test_the_seed_decides_which_reviews_validate_and_leaves_the_test_set_alone(store_reviews):
    store_reviews(review_arrays())
    one, again, other = (text.load_reviews(source="real", seed=seed, words=1000) for seed in (1, 1, 2))
    assert [index_of(review) for review in one.x_train] == [index_of(review) for review in again.x_train]
    assert {index_of(review) for review in one.x_validation} != {index_of(review) for review in other.x_validation}
    assert [review.tolist() for review in one.x_test] == [review.tolist() for review in other.x_test]


@pytest.mark.parametrize("source", ["sample", "real"])
def test_a_limit_shortens_every_split_and_leaves_both_classes(store_reviews, source):
    store_reviews(review_arrays(train=400, test=200))
    data = text.load_reviews(source=source, seed=0, limit=30)
    for reviews, labels in (
        (data.x_train, data.y_train),
        (data.x_validation, data.y_validation),
        (data.x_test, data.y_test),
    ):
        assert len(reviews) == len(labels) == 30
        assert set(labels.tolist()) == {0, 1}


def damaged_reviews(kind):
    arrays = review_arrays()
    if kind == "a missing array":
        del arrays["labels_test"]
    elif kind == "a label too few":
        arrays["labels_train"] = arrays["labels_train"][1:]
    elif kind == "words missing at the end":
        arrays["tokens_train"] = arrays["tokens_train"][:-5]
    elif kind == "offsets that fall":
        arrays["offsets_train"][[3, 4]] = arrays["offsets_train"][[4, 3]]
    elif kind == "a late first offset":
        arrays["offsets_test"][0] = 1
    elif kind == "a label of 2":
        arrays["labels_test"][0] = 2
    elif kind == "one class only":
        arrays["labels_train"][:] = 1
    elif kind == "floats":
        arrays["tokens_train"] = arrays["tokens_train"].astype(float)
    elif kind == "a table":
        arrays["tokens_test"] = arrays["tokens_test"][:, np.newaxis]
    elif kind == "a rank of 0":
        arrays["tokens_train"][7] = 0
    elif kind == "a pickled array":
        arrays["tokens_train"] = arrays["tokens_train"].astype(object)
    return arrays


@pytest.mark.parametrize(
    ("kind", "explanation"),
    [
        ("a missing array", "is not a readable archive of reviews"),
        ("a pickled array", "is not a readable archive of reviews"),
        ("a label too few", "one more than reviews, and labels 0 and 1; got 41 offsets .* 39 labels"),
        ("words missing at the end", "expected rising offsets from 0 to "),
        ("offsets that fall", "expected rising offsets from 0 to "),
        ("a late first offset", r"got 21 offsets \[ *1 "),
        ("a label of 2", r"20 labels \[0 1 2\]"),
        ("one class only", r"40 labels \[1\]"),
        ("floats", "expected flat arrays of integers; got float64"),
        ("a table", "expected flat arrays of integers; got int32 .*, 1"),
        ("a rank of 0", "expected word ranks from 1; got 0"),
    ],
)
def test_reviews_with_the_wrong_content_are_explained(store_reviews, kind, explanation):
    file = store_reviews(damaged_reviews(kind))
    with pytest.raises(ValueError, match=explanation) as raised:
        text.load_reviews(source="real", seed=0)
    assert str(file) in str(raised.value)
    assert "fetch it again" in str(raised.value)


def test_reviews_that_were_cut_short_are_explained(store_reviews):
    file = store_reviews(review_arrays())
    file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(ValueError, match="is not a readable archive of reviews"):
        text.load_reviews(source="real", seed=0)


@pytest.mark.parametrize(
    ("content", "explanation"),
    [
        ('{"the": 1, "fil', "imdb_word_index.json is not readable JSON"),
        ('["the", "film"]', "expected a rank for every word; got"),
        ('{"the": "first"}', "expected a rank for every word; got"),
    ],
)
def test_a_damaged_word_index_is_explained(store_reviews, content, explanation):
    store_reviews(review_arrays(), content)
    with pytest.raises(ValueError, match=explanation):
        text.load_reviews(source="real", seed=0)


def test_reviews_missing_name_the_command(data_folder):
    with pytest.raises(FileNotFoundError, match="`make data`"):
        text.load_reviews(source="real", seed=0)


@pytest.fixture
def ten_words(store_reviews):
    """Reviews with a vocabulary of nine words: the tenth rank does not fit below `words`."""
    store_reviews(review_arrays(), json.dumps({word: rank for rank, word in enumerate(RANKED, start=1)}))
    return text.load_reviews(source="real", seed=0, words=len(RANKED) + text.OFFSET)


def test_a_review_comes_back_from_its_numbers(ten_words):
    written = "it's not the good film the bad café boring"
    assert ten_words.decode(ten_words.encode(written)) == written


def test_a_typed_review_is_numbered_as_keras_numbers_it(ten_words):
    assert ten_words.encode("The FILM, (it's) not\tgood!") == [1, 4, 5, 9, 8, 6]


def test_words_that_are_not_or_no_longer_in_the_vocabulary_become_unknown(ten_words):
    assert ten_words.encode("good unheard rare film") == [1, 6, text.UNKNOWN, text.UNKNOWN, 5]


def test_unknown_words_are_shown_as_such_and_padding_not_at_all(ten_words):
    assert ten_words.decode(np.array([1, 6, 2, 5, 0, 0], np.int32)) == "good [?] film"


@pytest.mark.parametrize("typed", ["", "   ", "?!...", "\x00\x07\u200f", "😞😞"])
def test_a_review_without_a_word_is_refused(ten_words, typed):
    with pytest.raises(ValueError, match="expected a review of at least one word; got") as raised:
        ten_words.encode(typed)
    assert repr(typed) in str(raised.value)


def test_a_review_of_unknown_words_only_is_refused_with_the_words(ten_words):
    with pytest.raises(ValueError, match="none of these words is among the 13 known ones: quite rare; try other words"):
        ten_words.encode("quite rare")


def test_the_sample_reviews_can_be_read_and_typed_again():
    data = text.load_reviews(source="sample", seed=0, limit=50)
    for review in data.x_test:
        written = data.decode(review)
        assert "[?]" not in written
        assert data.encode(written) == review.tolist()


# ---- sentences ------------------------------------------------------------------------------------------------


def write_sentences(folder, train, test="good,2\n", encoding="utf-8"):
    (folder / "emojify" / "train_emoji.csv").write_text(train, encoding=encoding)
    (folder / "emojify" / "test_emoji.csv").write_text(test, encoding=encoding)


def test_sentences_are_read_with_their_labels(data_folder):
    write_sentences(data_folder, 'never talk to me again,3,,\n"well, I love you",0,, [0]\r\n I eat\t,4\n')
    data = text.load_sentences(source="real")
    assert data.train_texts == ["never talk to me again", "well, I love you", "I eat"]
    assert data.y_train.tolist() == [3, 0, 4]
    assert data.y_train.dtype == data.y_test.dtype == np.int64
    assert (data.test_texts, data.y_test.tolist()) == (["good"], [2])
    assert data.description == "Emojify, 3 + 1 sentences"
    assert data.source == "real"


def test_a_byte_order_mark_is_no_part_of_the_first_sentence(data_folder):
    write_sentences(data_folder, "I am sad,3\n", encoding="utf-8-sig")
    assert text.load_sentences(source="real").train_texts == ["I am sad"]


@pytest.mark.parametrize("row", ["good;2", "good,5", "good,-1", "good,", "good,2.0", ",2", "", '"never closed,2'])
def test_a_row_that_is_no_sentence_and_label_is_named(data_folder, row):
    write_sentences(data_folder, f"fine,1\n{row}\nfine,1\n")
    with pytest.raises(ValueError, match="line 2: expected a sentence and a label from 0 to 4; got") as raised:
        text.load_sentences(source="real")
    assert "train_emoji.csv" in str(raised.value)


def test_a_file_without_sentences_is_refused(data_folder):
    write_sentences(data_folder, "fine,1\n", test="")
    with pytest.raises(ValueError, match=r"test_emoji\.csv is empty: expected a sentence and a label on every line"):
        text.load_sentences(source="real")


def test_a_file_in_another_encoding_is_explained(data_folder):
    write_sentences(data_folder, "café,1\n", encoding="latin-1")
    with pytest.raises(ValueError, match=r"train_emoji\.csv: expected text in UTF-8; .* save it so or fetch it again"):
        text.load_sentences(source="real")


def test_the_sample_has_at_least_as_many_sentences_as_the_report_and_no_test_sentence_in_training():
    data = text.load_sentences(source="sample")
    assert len(data.train_texts) == len(data.y_train) >= 132
    assert len(data.test_texts) == len(data.y_test) >= 56
    assert set(data.y_train.tolist()) == set(data.y_test.tolist()) == set(range(5))
    assert len(data.classes) == len(text.EMOJIS) == 5
    assert not {sentence.lower() for sentence in data.train_texts} & {sentence.lower() for sentence in data.test_texts}


# ---- the real files -------------------------------------------------------------------------------------------


@pytest.mark.real_data
def test_real_reviews_are_split_as_documented_and_can_be_read(real_data):
    data = text.load_reviews(source="real", seed=0)
    assert (len(data.x_train), len(data.x_validation), len(data.x_test)) == (20_000, 5_000, 25_000)
    assert np.bincount(data.y_validation).tolist() == [2_500, 2_500]
    assert max(review.max() for review in data.x_train) == 9_999
    assert data.decode(data.x_test[0]).count("[?]") < len(data.x_test[0]) / 4
    assert data.encode("the film") == [1, 4, data.word_index["film"] + 3]


@pytest.mark.real_data
def test_real_sentences_are_those_of_the_report(real_data):
    if not (real_data / "emojify").is_dir():
        pytest.skip(f"needs real data: emojify/ is not under {real_data}")
    data = text.load_sentences(source="real")
    assert (len(data.train_texts), len(data.test_texts)) == (132, 56)
