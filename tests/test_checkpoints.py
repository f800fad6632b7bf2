"""Trained models and their cards: saved whole or not at all, and loaded only if they are what they say."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

from dlcourse import checkpoints, glove, paths

ORIGIN = {"lesson": "02_digits_cnn", "source": "sample", "seed": 0}


def small_model(seed=0, **arguments):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(4, 3, activation="relu", **arguments),
            keras.layers.Flatten(**arguments),
            keras.layers.Dense(3, activation="softmax", dtype="float32"),
        ],
        name="small_model",
    )


def examples(count=5):
    return np.random.default_rng(0).uniform(0, 1, (count, 6, 6, 1)).astype(np.float32)


def save(path, model=None, inputs=None, **changed):
    arguments = {
        "classes": ["a", "b", "c"],
        "preprocessing": "grey 0 to 255 divided by 255",
        "provenance": ORIGIN,
        "scores": {"accuracy": 0.5},
    } | changed
    return checkpoints.save(model or small_model(), path, examples() if inputs is None else inputs, **arguments)


@pytest.fixture(scope="module")
def saved_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    save(folder / "small_model.h5")
    return folder


@pytest.fixture
def saved(saved_once, tmp_path):
    """The path of a model that was saved with its card, in a folder of the test's own with a space."""
    shutil.copytree(saved_once, tmp_path / "my models")
    return tmp_path / "my models" / "small_model.h5"


def edit_card(path, **changed):
    card = checkpoints.card_path(path)
    card.write_text(json.dumps(json.loads(card.read_text(encoding="utf-8")) | changed), encoding="utf-8")


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


# ---- arrays ---------------------------------------------------------------------------------------------------


def save_arrays(path, **arrays):
    arrays = arrays or {"features": np.arange(6.0).reshape(3, 2), "k": np.array(3)}
    return save(path, arrays)


def test_arrays_come_back_with_their_card(tmp_path):
    written = save_arrays(tmp_path / "neighbours.npz")
    arrays, card = checkpoints.load(tmp_path / "neighbours.npz")
    assert card == written
    assert card["arrays"] == {"features": [3, 2], "k": []}
    assert arrays["features"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert sorted(contents(tmp_path)) == ["neighbours.json", "neighbours.npz"]


def test_what_would_have_to_be_pickled_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected arrays of numbers; names would have to be pickled"):
        save_arrays(tmp_path / "neighbours.npz", names=np.array(["a", None], dtype=object))
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("size", [0.9, 0.1, 0])
def test_truncated_arrays_are_explained(tmp_path, size):
    path = tmp_path / "neighbours.npz"
    save_arrays(path)
    path.write_bytes(path.read_bytes()[: int(size * path.stat().st_size)])
    with pytest.raises(checkpoints.CheckpointError, match=r"cut short.*make it anew with `make 02_digits_cnn`"):
        checkpoints.load(path)


def test_a_pickle_with_a_matching_card_is_not_unpickled(tmp_path):
    path = tmp_path / "neighbours.npz"
    save_arrays(path)
    np.savez(path, features=np.array([Path], dtype=object))
    edit_card(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(checkpoints.CheckpointError, match=r"cannot load .*allow_pickle=False"):
        checkpoints.load(path)


# ---- saving ---------------------------------------------------------------------------------------------------


def test_a_saved_model_predicts_as_before(tmp_path):
    model = small_model(seed=3)
    save(tmp_path / "small.h5", model)
    loaded, _ = checkpoints.load(tmp_path / "small.h5")
    np.testing.assert_array_equal(loaded.predict(examples(), verbose=0), model.predict(examples(), verbose=0))


def test_the_card_says_what_a_user_of_the_model_has_to_know(saved):
    _, card = checkpoints.load(saved)
    inputs = examples()
    assert card["model"] == "small_model"
    assert card["bytes"] == saved.stat().st_size
    assert abs(datetime.fromisoformat(card["saved"]).timestamp() - saved.stat().st_mtime) < 3600
    assert card["parameters"] == small_model().count_params()
    assert card["input"]["shape"] == [None, 6, 6, 1]
    assert card["input"]["dtype"] == "float32"
    assert card["input"]["range"] == [float(inputs.min()), float(inputs.max())]
    assert card["classes"] == ["a", "b", "c"]
    assert card["preprocessing"] == "grey 0 to 255 divided by 255"
    assert card["provenance"] == ORIGIN
    assert card["scores"] == {"accuracy": 0.5}


def test_the_card_returned_is_the_card_stored(tmp_path):
    assert save(tmp_path / "small.h5") == checkpoints.read_card(tmp_path / "small.h5")


def test_the_card_takes_what_else_a_model_needs_in_any_alphabet(tmp_path):
    save(tmp_path / "small.h5", extras={"vocabulary": ["שלום", "café", "😊"]})
    assert checkpoints.read_card(tmp_path / "small.h5")["vocabulary"] == ["שלום", "café", "😊"]
    assert "café" in checkpoints.card_path(tmp_path / "small.h5").read_text(encoding="utf-8")


def test_the_card_takes_the_words_of_a_memory_map(tmp_path, monkeypatch):
    monkeypatch.setenv("DLCOURSE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "vectors.txt").write_text("the 1 2\nkönig 3 4\n", encoding="utf-8")
    words, _ = glove.read(tmp_path / "vectors.txt")
    card = save(tmp_path / "small.h5", extras={"vocabulary": words})
    assert card["vocabulary"] == ["the", "könig"]
    assert card == checkpoints.read_card(tmp_path / "small.h5")


def test_scores_may_be_numpy_numbers(tmp_path):
    save(tmp_path / "small.h5", scores={"accuracy": {"value": np.float32(0.5), "n": np.int64(3)}})
    assert checkpoints.read_card(tmp_path / "small.h5")["scores"] == {"accuracy": {"value": 0.5, "n": 3}}


def test_nothing_but_the_model_and_its_card_is_left(saved):
    assert set(contents(saved.parent)) == {"small_model.h5", "small_model.json"}


def test_the_optimizer_is_not_saved_and_the_loaded_model_can_be_trained_on(tmp_path):
    model = small_model()
    model.compile("adam", loss="sparse_categorical_crossentropy")
    model.fit(examples(), np.array([0, 1, 2, 0, 1]), verbose=0)
    save(tmp_path / "small.h5", model)
    with h5py.File(tmp_path / "small.h5") as file:
        assert "optimizer_weights" not in file
    loaded, _ = checkpoints.load(tmp_path / "small.h5")
    assert not loaded.compiled
    loaded.compile("adam", loss="sparse_categorical_crossentropy")
    loaded.fit(examples(), np.array([0, 1, 2, 0, 1]), verbose=0)


def test_saving_prints_no_warning_about_the_format(tmp_path):
    # A process of its own: absl prefers standard error as it was when it was imported.
    code = (
        "import keras, logging, numpy, sys\n"
        "from dlcourse import checkpoints\n"
        "model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])\n"
        "about = dict(classes=[], preprocessing='', provenance={}, scores={})\n"
        "checkpoints.save(model, sys.argv[1], numpy.zeros((1, 2)), **about)\n"
        "logging.getLogger('absl').warning('another warning')\n"
    )
    printed = fresh_process(code, str(tmp_path / "small.h5"))
    assert "HDF5" not in printed.stderr + printed.stdout
    assert "another warning" in printed.stderr


def test_a_path_that_does_not_end_in_h5_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected a path ending in \.h5; got small\.keras"):
        save(tmp_path / "small.keras")


def test_saving_without_an_example_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected a few example inputs; got an array of shape \(0, 6, 6, 1\)"):
        save(tmp_path / "small.h5", inputs=examples(0))


def test_a_saved_model_is_replaced_by_a_better_one(saved):
    better = small_model(seed=9)
    save(saved, better, scores={"accuracy": 0.9})
    loaded, card = checkpoints.load(saved)
    np.testing.assert_array_equal(loaded.predict(examples(), verbose=0), better.predict(examples(), verbose=0))
    assert card["scores"] == {"accuracy": 0.9}


def lambda_model():
    return keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Lambda(lambda images: 2 * images)])


@keras.saving.register_keras_serializable("dlcourse tests")
class Forgetful(keras.layers.Layer):
    """Multiplies by a number that it does not save."""

    factor = 1.0

    def call(self, inputs):
        return self.factor * inputs


def forgetful_model():
    layer = Forgetful()
    layer.factor = 2.0
    return keras.Sequential([keras.Input((6, 6, 1)), layer], name="forgetful")


FAILURES = {
    "a layer that does not load": (lambda_model, {}, checkpoints.CheckpointError, "does not load again from .h5"),
    "a layer that forgets": (forgetful_model, {}, checkpoints.CheckpointError, "forgetful predicts differently after"),
    "a score that is no number": (
        small_model,
        {"scores": {"loss": float("nan")}},
        ValueError,
        "card of finite numbers",
    ),
    "an extra that is no text": (small_model, {"extras": {"model": object()}}, ValueError, "of type object"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_save_is_explained_and_leaves_nothing(tmp_path, failure):
    make, changed, kind, explanation = FAILURES[failure]
    with pytest.raises(kind, match=explanation):
        save(tmp_path / "small.h5", make(), **changed)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_save_keeps_the_earlier_model_and_card(saved, failure):
    make, changed, kind, explanation = FAILURES[failure]
    before = contents(saved.parent)
    with pytest.raises(kind, match=explanation):
        save(saved, make(), **changed)
    assert contents(saved.parent) == before
    checkpoints.load(saved)


# ---- loading --------------------------------------------------------------------------------------------------


def refusal(path):
    with pytest.raises(checkpoints.CheckpointError) as raised:
        checkpoints.load(path)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_missing_model_is_explained(tmp_path):
    message = refusal(tmp_path / "none.h5")
    assert message.startswith(f"{tmp_path / 'none.h5'} is missing; ")
    assert "`make` lists them" in message


def test_a_missing_model_names_the_lesson_to_run_first(tmp_path):
    with pytest.raises(checkpoints.CheckpointError, match="is missing; run `make 06_lesson` first"):
        checkpoints.load(tmp_path / "none.h5", made_by="06_lesson")


def test_in_a_notebook_a_refusal_is_one_line(tmp_path):
    shell = InteractiveShell.instance()
    with pytest.raises(checkpoints.CheckpointError) as raised:
        checkpoints.load(tmp_path / "none.h5")
    with pytest.MonkeyPatch.context() as patch:
        shown = []
        patch.setattr(shell, "_showtraceback", lambda kind, value, lines: shown.extend(lines))
        shell.showtraceback((raised.type, raised.value, raised.tb))
    assert shown == [f"CheckpointError: {raised.value}"]


def test_a_folder_is_no_model(tmp_path):
    assert "is missing" in refusal(tmp_path)


def test_a_model_without_its_card_is_explained(saved):
    checkpoints.card_path(saved).unlink()
    assert "has no card (small_model.json): it was not saved by this course, or its saving was interru" in refusal(
        saved
    )


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"<html>", b'{"sha256": '])
def test_a_card_of_garbage_is_explained(saved, content):
    checkpoints.card_path(saved).write_bytes(content)
    assert "small_model.json is not a readable card" in refusal(saved)


@pytest.mark.parametrize("content", ["null", "3", '"card"', "[]", '["sha256"]'])
def test_a_card_that_is_no_object_is_explained(saved, content):
    checkpoints.card_path(saved).write_text(content)
    assert "small_model.json is not a card: expected a JSON object, got " in refusal(saved)


@pytest.mark.parametrize("key", checkpoints.CARD_KEYS)
def test_a_card_that_lacks_something_names_it(saved, key):
    card = json.loads(checkpoints.card_path(saved).read_text(encoding="utf-8"))
    del card[key]
    checkpoints.card_path(saved).write_text(json.dumps(card), encoding="utf-8")
    assert f"small_model.json lacks {key}" in refusal(saved)


@pytest.mark.parametrize("key", checkpoints.CARD_KEYS)
def test_a_card_with_an_entry_of_another_kind_names_it(saved, key):
    edit_card(saved, **{key: None})
    assert f"small_model.json lacks {key}" in refusal(saved)


@pytest.mark.parametrize("size", [0.99, 0.5, 0.01, 0])
def test_a_truncated_model_is_explained(saved, size):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * size)])
    message = refusal(saved)
    assert "cut short" in message
    assert message.endswith("make it anew with `make 02_digits_cnn`")


@pytest.mark.parametrize("content", [b"<html>404</html>", b"\x00" * 100])
def test_a_file_that_is_no_hdf5_is_explained(saved, content):
    saved.write_bytes(content)
    assert "is not an HDF5 file" in refusal(saved)


def test_a_single_changed_byte_is_noticed(saved):
    content = bytearray(saved.read_bytes())
    content[-100] ^= 1
    saved.write_bytes(content)
    assert "is not the file that its card describes" in refusal(saved)


def test_another_model_under_the_same_name_is_noticed(saved, tmp_path):
    save(tmp_path / "other.h5", small_model(seed=1))
    (tmp_path / "other.h5").replace(saved)
    assert "is not the file that its card describes" in refusal(saved)


def test_a_save_that_was_interrupted_between_model_and_card_is_explained(saved, tmp_path):
    # The model is renamed before its card, so what is left is the new model with the old card.
    save(tmp_path / "small_model.h5", small_model(seed=1))
    os.replace(tmp_path / "small_model.h5", saved)
    message = refusal(saved)
    assert "its saving was interrupted" in message
    assert "`make 02_digits_cnn`" in message


def with_card_for(path):
    """Gives a file that somebody else wrote a card that fits it, as an attacker would."""
    edit_card(path, sha256=checkpoints._sha256(path))


def test_an_hdf5_file_that_is_no_model_is_explained(saved):
    with h5py.File(saved, "w") as file:
        file["temperatures"] = np.arange(5)
    with_card_for(saved)
    assert f"Keras {keras.__version__} cannot load {saved}" in refusal(saved)


def test_a_file_that_carries_code_is_refused_and_its_code_is_not_run(saved, tmp_path):
    witness = tmp_path / "the code was run"
    code = f"lambda images: [images, open({str(witness)!r}, 'w').close()][0]"
    model = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Lambda(eval(code))])
    assert witness.exists()  # building the model runs it, so loading with safe_mode off would as well
    witness.unlink()
    model.save(saved)
    with_card_for(saved)
    message = refusal(saved)
    assert "cannot load" in message
    assert "Lambda" in message
    assert not witness.exists()


def test_the_card_is_checked_before_the_file_is_opened(saved):
    saved.write_bytes(b"not a model")
    checkpoints.card_path(saved).unlink()
    assert "has no card" in refusal(saved)


# ---- in a process that knows nothing ---------------------------------------------------------------------------

RELOAD = """
import json, pathlib, sys
import numpy
from dlcourse import checkpoints

results = {}
for name in sys.argv[1:]:
    path = pathlib.Path(name)
    model, card = checkpoints.load(path)
    shape = [2 if size is None else size for size in card["input"]["shape"]]
    low, high = card["input"]["range"]
    drawn = numpy.random.default_rng(0).uniform(low, high, shape)
    inputs = numpy.rint(drawn) if numpy.issubdtype(card["input"]["dtype"], numpy.integer) else drawn
    outputs = model.predict(inputs.astype(card["input"]["dtype"]), verbose=0)
    known = path.with_suffix(".npy")
    results[name] = {
        "shape": outputs.shape,
        "expected": [2, *model.output_shape[1:]],
        "classes": len(card["classes"]),
        "finite": bool(numpy.isfinite(outputs.astype("float32")).all()),
        "known": model.predict(numpy.load(known), verbose=0).tolist() if known.exists() else None,
        "policies": sorted({layer.dtype_policy.name for layer in model.layers}),
    }
print("RESULTS", json.dumps(results))
"""


def fresh_process(code, *arguments):
    environment = os.environ | {"PYTHONPATH": str(paths.ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def reloaded(tmp_path_factory):
    """What a fresh process finds in the models of this file and of the lessons that were run before."""
    folder = tmp_path_factory.mktemp("models with space")
    own = {"plain": small_model(), "mixed": small_model(dtype="mixed_bfloat16")}
    expected = {}
    for name, model in own.items():
        save(folder / f"{name}.h5", model)
        np.save(folder / f"{name}.npy", examples())
        expected[name] = model.predict(examples(), verbose=0)
    # Where these tests are run alone, no lesson has left a model; then the two of our own stand for them.
    lessons = [path for path in sorted(paths.models().glob("*.h5")) if not path.name.endswith(".part.h5")]
    printed = fresh_process(RELOAD, *map(str, [*folder.glob("*.h5"), *lessons]))
    assert printed.returncode == 0, printed.stderr
    results = json.loads(printed.stdout.rpartition("RESULTS ")[2])
    return {Path(name): result for name, result in results.items()}, expected


@pytest.mark.parametrize("name", ["plain", "mixed"])
def test_a_model_predicts_in_a_fresh_process_as_when_it_was_saved(reloaded, name):
    results, expected = reloaded
    (result,) = [result for path, result in results.items() if path.stem == name]
    np.testing.assert_allclose(result["known"], expected[name], atol=1e-6)


def test_a_model_in_mixed_precision_stays_so_in_a_process_whose_policy_is_float32(reloaded):
    (result,) = [result for path, result in reloaded[0].items() if path.stem == "mixed"]
    assert "mixed_bfloat16" in result["policies"]


def test_every_model_of_the_lessons_predicts_in_a_fresh_process_from_its_card_alone(reloaded):
    results, _ = reloaded
    assert len(results) >= 2
    for path, result in results.items():
        assert result["shape"] == result["expected"], path
        assert result["finite"], path
        # One output a class, or a single probability for two; a generator of images has no classes.
        outputs, classes = result["shape"][-1], result["classes"]
        assert classes in (0, outputs) or (outputs, classes) == (1, 2), path
