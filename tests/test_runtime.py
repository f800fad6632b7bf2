"""Starting a lesson: seeds, profile budgets, precision, provenance and cost."""

import importlib.metadata
import json
import random
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from dlcourse import images, paths, runtime


@pytest.fixture(scope="module")
def data():
    return images.load_digits(source="sample", seed=0, limit=10)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    for name in ("OUTPUTS", "MODELS"):
        monkeypatch.setenv(f"DLCOURSE_{name}", str(tmp_path / "with space" / name.lower()))
    return tmp_path / "with space"


def start(**changed):
    return runtime.start("02_digits_cnn", **{"profile": "smoke", "source": "sample", "seed": 0} | changed)


def draw():
    """A number from each generator that a lesson may use, and a freshly initialised weight."""
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    return [
        random.random(),
        np.random.random(),
        float(keras.random.uniform(())),
        *keras.ops.convert_to_numpy(layer.kernel).ravel().tolist(),
    ]


def test_the_same_seed_gives_the_same_numbers_everywhere(folders):
    start(seed=7)
    first = draw()
    start(seed=7)
    assert draw() == first


def test_another_seed_gives_other_numbers_everywhere(folders):
    start(seed=7)
    first = draw()
    start(seed=8)
    assert all(new != old for new, old in zip(draw(), first, strict=True))


def test_a_seed_from_the_environment_is_a_string_and_counts_the_same(folders):
    start(seed=7)
    first = draw()
    assert start(seed="7").seed == 7
    assert draw() == first


@pytest.mark.parametrize("seed", [-1, 1.5, None, "", "one", "-3", "²", 2**32, True])
def test_a_seed_that_is_none_is_refused(folders, seed):
    with pytest.raises(ValueError, match="seed must be an integer from 0 to 4294967295; got ") as raised:
        start(seed=seed)
    assert repr(seed) in str(raised.value)


@pytest.mark.parametrize("profile", ["Smoke", "", "fast", None])
def test_an_unknown_profile_is_refused_with_the_two_there_are(folders, profile):
    with pytest.raises(ValueError, match="profile must be one of smoke, full; got") as raised:
        start(profile=profile)
    assert repr(profile) in str(raised.value)


@pytest.mark.parametrize("source", ["Sample", "", None])
def test_an_unknown_source_is_refused_with_the_three_there_are(folders, source):
    with pytest.raises(ValueError, match="source must be one of auto, sample, real; got") as raised:
        start(source=source)
    assert repr(source) in str(raised.value)


def test_nothing_is_made_before_the_arguments_are_checked(folders):
    with pytest.raises(ValueError, match="profile"):
        start(profile="fast")
    assert not folders.exists()


def test_a_lesson_has_its_own_outputs_and_shares_the_models(folders):
    lesson = start()
    assert lesson.outputs == folders / "outputs" / "02_digits_cnn"
    assert lesson.models == folders / "models"
    assert lesson.outputs.is_dir()
    assert lesson.models.is_dir()


def test_what_a_lesson_runs_as_is_printed(folders, capsys):
    lesson = start(profile="full", source="auto", seed=3)
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"02_digits_cnn: profile full, source auto, seed 3, on {lesson.device}"
    assert f"keras {keras.__version__}" in second


def test_the_device_is_named_in_words(folders):
    assert start().device.startswith(("CPU (", "GPU ("))


def test_a_lesson_may_be_started_again_in_the_same_process(folders):
    assert start() is not start()


def test_smoke_trains_one_epoch_on_a_few_hundred_examples(folders):
    lesson = start(profile="smoke")
    assert lesson.epochs(12) == 1
    assert 100 <= lesson.limit <= 500


def test_full_trains_as_the_recipe_says_on_all_examples(folders):
    lesson = start(profile="full")
    assert lesson.epochs(12) == 12
    assert lesson.limit is None


def test_provenance_names_everything_that_a_result_came_from(folders, data):
    lesson = start(seed=5)
    origin = lesson.provenance(data, precision="mixed_bfloat16", weights="random")
    assert origin["lesson"] == "02_digits_cnn"
    assert origin["source"] == "sample"  # what was loaded, where 'auto' may have been asked for
    assert origin["data"] == data.description
    assert origin["weights"] == "random"
    assert origin["profile"] == "smoke"
    assert origin["seed"] == 5
    assert origin["precision"] == "mixed_bfloat16"
    assert origin["device"] == lesson.device
    assert origin["versions"] == runtime.versions()
    assert origin["commit"]


def test_provenance_names_the_source_that_auto_was_resolved_to(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("DLCOURSE_DATA", str(tmp_path / "no data"))
    data = images.load_digits(source="auto", seed=0, limit=10)
    assert start(source="auto").provenance(data)["source"] == "sample"


def test_of_several_datasets_one_embedded_makes_the_result_embedded(folders, data):
    drawing = SimpleNamespace(source="none", description="a drawing")
    real = SimpleNamespace(source="real", description="MNIST")
    origin = start().provenance([drawing, real, data])
    assert origin["source"] == "sample"
    assert origin["data"] == f"a drawing; MNIST; {data.description}"
    assert start().provenance([drawing, real])["source"] == "real"
    assert start().provenance(drawing)["source"] == "none"


def test_provenance_survives_json_unchanged(folders, data):
    origin = start(seed="5").provenance(data)
    assert json.loads(json.dumps(origin)) == origin


def test_the_commit_is_one_short_word(folders, data):
    commit = start().provenance(data)["commit"]
    assert len(commit.split()) == 1
    assert len(commit) < 60


def test_versions_are_those_installed():
    versions = runtime.versions()
    for package in ("keras", "tensorflow", "numpy", "scikit-learn"):
        assert versions[package] == importlib.metadata.version(package)
    assert versions["python"].startswith("3.")


def test_the_cost_card_counts_minutes_memory_and_cores(folders):
    lesson = start()
    first = lesson.cost()
    second = lesson.cost()
    assert 0 <= first["minutes"] < second["minutes"] < 1
    assert second["cores"] >= 1
    assert json.loads(json.dumps(second)) == second


def test_peak_memory_stays_after_the_memory_was_given_back():
    before = runtime.peak_memory_mb()
    held = np.ones(8_000_000)  # 64 MB, touched
    during = runtime.peak_memory_mb()
    del held
    assert during >= max(before, 64)
    assert runtime.peak_memory_mb() >= during
    assert during < 64_000  # megabytes, not kilobytes


def test_outputs_follow_the_environment_at_the_time_of_the_start(folders, monkeypatch, tmp_path):
    start()
    monkeypatch.setenv("DLCOURSE_OUTPUTS", str(tmp_path / "later"))
    assert start().outputs == paths.outputs() / "02_digits_cnn" == tmp_path / "later" / "02_digits_cnn"
