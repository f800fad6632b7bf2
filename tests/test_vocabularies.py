"""Words, vocabularies and word vectors: what they hold, and files that are not what they should be."""

import os

import numpy as np
import pytest

from dlcourse import glove, paths, vocabularies

# ---- words ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("", []),
        ("Good, GOOD film.", ["good", "good", "film"]),
        ("don't can’t", ["don't", "can't"]),
        ("the girls' 'quoted' ''", ["the", "girls", "quoted"]),
        ("rock-n-roll/jazz_band", ["rock", "n", "roll", "jazz", "band"]),
        ("a\x00b\tc\nd\u200be\u00a0f", ["a", "b", "c", "d", "e", "f"]),
        ("שלום עולם", ["שלום", "עולם"]),
        ("\u202eevil\u202c \u200fمرحبا\u200f!", ["evil", "مرحبا"]),
        ("Café CAFE\u0301", ["café", "café"]),
        ("10 films in 2024", ["10", "films", "in", "2024"]),
        ("so 😊 happy❤️", ["so", "happy"]),
        ("日本語 фильм", ["日本語", "фильм"]),
        ("<br />", ["br"]),
    ],
)
def test_tokenize_finds(written, words):
    assert vocabularies.tokenize(written) == words


def test_a_vocabulary_counts_from_1_in_the_order_given():
    vocabulary = vocabularies.Vocabulary(["b", "a", "c"])
    assert len(vocabulary) == 3
    assert vocabulary.index == {"b": 1, "a": 2, "c": 3}
    assert "a" in vocabulary
    assert "d" not in vocabulary


def test_sentences_are_cut_or_padded_at_the_end_and_unknown_words_are_0():
    numbers = vocabularies.Vocabulary(["i", "love", "you"]).encode(
        ["I love you!", "you love me", "", "i i i i i"], length=4
    )
    assert numbers.tolist() == [[1, 2, 3, 0], [3, 2, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]]
    assert numbers.dtype == np.int32


@pytest.mark.parametrize(
    ("word", "relative"),
    [("play", "play"), ("playing", "play"), ("loved", "love"), ("happiness", None), ("cat", "cats"), ("xyz", None)],
)
def test_the_relative_of_a_word_differs_from_it_in_the_ending_only(word, relative):
    assert vocabularies.Vocabulary(["play", "love", "cats"]).relative(word) == relative


def test_with_relatives_unknown_words_borrow_a_number_or_are_left_out():
    vocabulary = vocabularies.Vocabulary(["i", "love", "play"])
    assert vocabulary.encode(["I loved xyz playing"], 4).tolist() == [[1, 0, 0, 0]]
    assert vocabulary.encode(["I loved xyz playing"], 4, relatives=True).tolist() == [[1, 2, 3, 0]]


def test_unknown_words_are_counted_most_frequent_first():
    unknown = vocabularies.Vocabulary(["i"]).unknown(["I b a", "c b, I", "a z b"])
    assert list(unknown.items()) == [("b", 3), ("a", 2), ("c", 1), ("z", 1)]


def test_a_repeated_word_is_refused_by_name():
    with pytest.raises(ValueError, match="expected words without repeats; got 'a' twice"):
        vocabularies.Vocabulary(["a", "b", "a"])


# ---- word vectors ---------------------------------------------------------------------------------------------

LINES = [
    "the 0.5 -1 2e-3\n",
    "king 1 0 0\n",
    "queen 0.9 0.1 0\n",
    "' 0 0 1\n",
    "naïve -3.25 0 0.0625\n",
    "\u2028 1 1 1\n",
]


@pytest.fixture
def glove_file(data_folder):
    file = data_folder / "glove" / "glove.6B.50d.txt"
    file.write_bytes("".join(LINES).encode())
    return file


def read_plainly(file):
    with open(file, encoding="utf-8", newline="\n") as lines:
        rows = [line.split(" ") for line in lines]
    return {word: np.array(numbers, dtype=np.float64) for word, *numbers in rows}


def cached(name):
    (file,) = paths.cache().glob(f"*/{name}")
    return file


@pytest.mark.parametrize("load", ["first", "second"])
def test_the_memory_map_equals_plain_reading(glove_file, load):
    if load == "second":
        glove.read(glove_file)
    words, matrix = glove.read(glove_file)
    plain = read_plainly(glove_file)
    assert list(words) == list(plain)
    np.testing.assert_array_equal(matrix, np.stack(list(plain.values())).astype(np.float32))
    assert matrix.dtype == np.float32


def test_the_vectors_stay_on_disk_and_cannot_be_written(glove_file):
    _, matrix = glove.read(glove_file)
    assert isinstance(matrix, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        matrix[0] = 0


def test_the_words_behave_as_a_list_does(glove_file):
    words, _ = glove.read(glove_file)
    expected = list(read_plainly(glove_file))
    assert len(words) == 6
    assert [words[row] for row in range(6)] == expected
    assert words[-1] == expected[-1]
    assert words[1:3] == expected[1:3]
    assert "king" in words
    assert "kin" not in words
    assert words.index("queen") == 2
    with pytest.raises(IndexError):
        words[6]


def test_the_vocabulary_of_a_file_is_that_of_its_words(glove_file):
    vocabulary = vocabularies.load_word_vectors(source="real").vocabulary
    plain = vocabularies.Vocabulary(list(read_plainly(glove_file)))
    assert dict(vocabulary.index) == plain.index
    assert len(vocabulary) == len(vocabulary.index) == 6
    sentences = ["The naïve king's Queen", "a queen, the KING"]
    np.testing.assert_array_equal(vocabulary.encode(sentences, 5), plain.encode(sentences, 5))
    assert vocabulary.unknown(sentences) == plain.unknown(sentences) == {"a": 1, "king's": 1}


@pytest.mark.parametrize("word", ["", "zzz", "kin", "kings", "\ud800", "\n", "king\nqueen"])
def test_a_word_that_is_not_in_the_file_is_not_found(glove_file, word):
    vectors = vocabularies.load_word_vectors(source="real")
    assert word not in vectors.vocabulary
    assert vectors[word].tolist() == [0, 0, 0]


def test_a_later_load_does_not_read_the_file_again(glove_file):
    glove.read(glove_file)
    before = cached("vectors.npy").stat().st_mtime_ns
    state = glove_file.stat()
    glove_file.write_bytes(b"x" * state.st_size)  # unreadable, yet of the same size and time
    os.utime(glove_file, ns=(state.st_atime_ns, state.st_mtime_ns))
    words, _ = glove.read(glove_file)
    assert words[0] == "the"
    assert cached("vectors.npy").stat().st_mtime_ns == before


@pytest.mark.parametrize("change", ["size", "time"])
def test_the_map_is_made_anew_when_the_file_changes(glove_file, change):
    glove.read(glove_file)
    state = glove_file.stat()
    if change == "size":
        glove_file.write_text("new 1 2 3\n", encoding="utf-8")
        os.utime(glove_file, ns=(state.st_atime_ns, state.st_mtime_ns))
    else:
        glove_file.write_bytes(glove_file.read_bytes().replace(b"the", b"new"))
        os.utime(glove_file, ns=(state.st_atime_ns, state.st_mtime_ns + 1_000_000_000))
    words, _ = glove.read(glove_file)
    assert words[0] == "new"


@pytest.mark.parametrize("name", ["words.txt", "starts.npy", "order.npy", "vectors.npy"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut short"])
def test_a_half_written_map_is_never_used(glove_file, name, damage):
    glove.read(glove_file)
    file = cached(name)
    content = file.read_bytes()
    file.unlink()
    if damage != "missing":
        file.write_bytes(b"" if damage == "empty" else content[:-4])
    words, matrix = glove.read(glove_file)
    plain = read_plainly(glove_file)
    assert list(words) == list(plain)
    np.testing.assert_array_equal(matrix, np.stack(list(plain.values())).astype(np.float32))
    assert file.read_bytes() == content


def test_nothing_is_left_in_the_cache_beside_the_map(glove_file):
    glove.read(glove_file)
    names = {file.name for file in paths.cache().rglob("*") if file.is_file()}
    assert names == {"words.txt", "starts.npy", "order.npy", "vectors.npy"}


@pytest.mark.parametrize(
    ("line", "explanation"),
    [
        ("word 1 2", "expected a new word and 3 numbers; got 'word 1 2"),
        ("word 1 2 3 4", "expected a new word and 3 numbers; got 'word 1 2 3 4"),
        ("word 1 2 three", "expected a new word and 3 numbers; got 'word 1 2 three"),
        ("word", "expected a new word and 3 numbers; got 'word"),
        ("", "expected a new word and 3 numbers; got"),
        (" 1 2 3", "expected a new word and 3 numbers; got ' 1 2 3"),
        ("king 1 2 3", "expected a new word and 3 numbers; got 'king 1 2 3"),
        ("word 1 2 nan", "expected finite numbers; got"),
        ("word 1 2 1e99", "expected finite numbers; got"),
        ("w\udcff 1 2 3", "expected a new word and 3 numbers; got 'w"),
    ],
)
def test_a_malformed_line_is_named(glove_file, line, explanation):
    glove_file.write_bytes("".join([*LINES[:3], line + "\n", *LINES[3:]]).encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=explanation) as raised:
        glove.read(glove_file)
    assert f"{glove_file}, line 4: " in str(raised.value)
    assert "fetch the file again" in str(raised.value)
    assert not list(paths.cache().rglob("*.npy"))


def test_a_file_that_was_cut_short_is_named_by_its_last_line(glove_file):
    glove_file.write_bytes(glove_file.read_bytes()[:-5])
    with pytest.raises(ValueError, match="line 6: expected a new word and 3 numbers"):
        glove.read(glove_file)


def test_an_empty_file_of_vectors_is_refused(glove_file):
    glove_file.write_bytes(b"")
    with pytest.raises(ValueError, match="is empty: expected a word and its numbers on every line"):
        glove.read(glove_file)


def test_a_file_with_the_line_ends_of_windows_reads_the_same(glove_file):
    glove_file.write_bytes(glove_file.read_bytes().replace(b"\n", b"\r\n"))
    words, matrix = glove.read(glove_file)
    assert words[1] == "king"
    assert matrix[1].tolist() == [1, 0, 0]


def test_vectors_missing_name_the_command(data_folder):
    with pytest.raises(FileNotFoundError, match="data fetch glove"):
        vocabularies.load_word_vectors(source="real")


@pytest.mark.parametrize("source", ["sample", "real"])
def test_a_vector_is_that_of_its_word_and_zeros_for_an_unknown_one(glove_file, source):
    vectors = vocabularies.load_word_vectors(source=source)
    assert vectors.source == source
    for row in (0, len(vectors.vocabulary) - 1):
        np.testing.assert_array_equal(vectors[vectors.vocabulary.words[row]], vectors.matrix[row])
    assert not vectors["nosuchword"].any()
    assert vectors["nosuchword"].dtype == vectors["the"].dtype == np.float32


def test_a_vector_that_was_looked_up_may_be_changed_without_changing_the_others(glove_file):
    vectors = vocabularies.load_word_vectors(source="real")
    vectors["king"][:] = 7
    assert vectors["king"].tolist() == [1, 0, 0]


def test_the_embedding_table_has_zeros_for_number_0_and_row_k_for_number_k(glove_file):
    vectors = vocabularies.load_word_vectors(source="real")
    table = vectors.embedding_table()
    assert table.shape == (7, 3)
    assert table.dtype == np.float32
    assert not table[0].any()
    np.testing.assert_array_equal(table[vectors.vocabulary.index["queen"]], vectors["queen"])


def test_the_nearest_words_come_first_with_their_cosines(glove_file):
    vectors = vocabularies.load_word_vectors(source="real")
    (first, one), (second, cosine) = vectors.nearest(np.array([2.0, 0, 0]), count=2)
    assert (first, second) == ("king", "queen")
    assert one == pytest.approx(1)
    assert cosine == pytest.approx(0.9 / np.hypot(0.9, 0.1))
    assert vectors.nearest(vectors["king"], count=1, without=["king"])[0][0] == "queen"


def test_drawn_vectors_say_that_nothing_was_learned():
    assert "not learned" in vocabularies.load_word_vectors(source="sample").description


def test_in_drawn_vectors_king_minus_man_plus_woman_is_queen():
    vectors = vocabularies.load_word_vectors(source="sample")
    sought = vectors["king"] - vectors["man"] + vectors["woman"]
    assert vectors.nearest(sought, 1, without=["king", "man", "woman"])[0][0] == "queen"


# ---- the real file --------------------------------------------------------------------------------------------


@pytest.mark.real_data
def test_real_vectors_are_read_as_plainly(real_data, tmp_path, monkeypatch):
    file = real_data / "glove" / "glove.6B.50d.txt"
    if not file.exists():
        pytest.skip(f"needs real data: {file.name} is not under {real_data}")
    monkeypatch.setenv("DLCOURSE_CACHE", str(tmp_path))
    vectors = vocabularies.load_word_vectors(source="real")
    plain = read_plainly(file)
    assert len(vectors.vocabulary) == len(plain)
    for word in list(plain)[:: len(plain) // 500]:
        np.testing.assert_array_equal(vectors[word], plain[word].astype(np.float32))
    found = [word for word, _ in vectors.nearest(vectors["king"] - vectors["man"] + vectors["woman"], 3, ["king"])]
    assert "queen" in found
