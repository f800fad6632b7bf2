"""Where data, models and outputs are, and how a dataset or its stand-in is chosen."""

import subprocess
import sys
from pathlib import Path

import pytest

from dlcourse import paths

FOLDERS = {
    "DLCOURSE_DATA": (paths.data, "data"),
    "DLCOURSE_MODELS": (paths.models, "models"),
    "DLCOURSE_OUTPUTS": (paths.outputs, "outputs"),
    "DLCOURSE_CACHE": (paths.cache, "outputs/cache"),
}


@pytest.fixture
def no_environment(monkeypatch):
    for variable in (*FOLDERS, "DLCOURSE_PROFILE"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DLCOURSE_DATA", str(tmp_path))
    return tmp_path


def make(folder: Path, *names: str) -> list[Path]:
    files = [folder / name for name in names]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    return files


@pytest.mark.parametrize("variable", FOLDERS)
def test_without_environment_a_folder_is_in_the_project(variable, no_environment):
    folder, default = FOLDERS[variable]
    assert folder() == paths.ROOT / default


@pytest.mark.parametrize("variable", FOLDERS)
def test_an_empty_variable_means_the_default(variable, no_environment, monkeypatch):
    monkeypatch.setenv(variable, "")
    folder, default = FOLDERS[variable]
    assert folder() == paths.ROOT / default


@pytest.mark.parametrize("variable", FOLDERS)
def test_the_environment_moves_a_folder(variable, monkeypatch, tmp_path):
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    assert FOLDERS[variable][0]() == tmp_path / "elsewhere"


@pytest.mark.parametrize("variable", FOLDERS)
def test_a_folder_may_have_spaces_and_any_letters(variable, monkeypatch, tmp_path):
    monkeypatch.setenv(variable, str(tmp_path / "my course Übung"))
    assert FOLDERS[variable][0]() == tmp_path / "my course Übung"


@pytest.mark.parametrize("variable", FOLDERS)
def test_a_relative_folder_counts_from_the_project_wherever_the_process_stands(variable, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, "../some where/else")
    assert FOLDERS[variable][0]() == paths.ROOT.parent / "some where" / "else"


def test_a_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("DLCOURSE_DATA", "~/datasets")
    assert paths.data() == tmp_path / "datasets"


def test_the_cache_moves_with_the_outputs(no_environment, monkeypatch, tmp_path):
    monkeypatch.setenv("DLCOURSE_OUTPUTS", str(tmp_path / "out puts"))
    assert paths.cache() == tmp_path / "out puts" / "cache"


@pytest.mark.parametrize("variable", FOLDERS)
def test_asking_where_a_folder_is_does_not_make_it(variable, monkeypatch, tmp_path):
    monkeypatch.setenv(variable, str(tmp_path / "new"))
    FOLDERS[variable][0]()
    assert not (tmp_path / "new").exists()


def test_the_notebooks_come_in_teaching_order():
    numbers = [int(path.name[:2]) for path in paths.notebooks()]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == len(numbers)


def test_the_module_imports_nothing_heavy():
    code = (
        "import sys; from dlcourse import paths; print(*{'numpy', 'keras', 'tensorflow', 'pandas'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", code], cwd=paths.ROOT, capture_output=True, text=True, check=True)
    assert printed.stdout.split() == []


def test_real_returns_the_files_in_the_order_asked_for(data_folder):
    files = make(data_folder, "imdb/reviews.npz", "imdb/imdb_word_index.json")
    assert paths.locate("real", "imdb", "imdb/reviews.npz", "imdb/imdb_word_index.json") == files


def test_auto_returns_the_real_files_where_all_are_there(data_folder):
    files = make(data_folder, "mnist/mnist.npz")
    assert paths.locate("auto", "mnist", "mnist/mnist.npz") == files


@pytest.mark.parametrize("present", [(), ("imdb/reviews.npz",)])
def test_auto_means_the_sample_where_a_file_is_missing(data_folder, present):
    make(data_folder, *present)
    assert paths.locate("auto", "imdb", "imdb/reviews.npz", "imdb/imdb_word_index.json") is None


def test_sample_means_the_sample_even_where_the_real_files_are(data_folder):
    make(data_folder, "mnist/mnist.npz")
    assert paths.locate("sample", "mnist", "mnist/mnist.npz") is None


def test_real_without_the_files_says_which_is_missing_and_what_to_run(data_folder):
    make(data_folder, "imdb/reviews.npz")
    with pytest.raises(FileNotFoundError) as raised:
        paths.locate("real", "imdb", "imdb/reviews.npz", "imdb/imdb_word_index.json")
    message = str(raised.value)
    assert "source='real'" in message
    assert str(data_folder / "imdb" / "imdb_word_index.json") in message
    assert "`make data`" in message
    assert "python -m dlcourse data fetch imdb" in message
    assert "DLCOURSE_DATA" in message
    assert "\n" not in message


@pytest.mark.parametrize("source", ["Real", "", None, "samples"])
def test_an_unknown_source_is_refused_with_the_three_there_are(source):
    with pytest.raises(ValueError, match="one of auto, sample, real; got") as raised:
        paths.locate(source, "mnist", "mnist/mnist.npz")
    assert repr(source) in str(raised.value)


def test_a_smoke_run_writes_where_no_trained_model_is(monkeypatch):
    for variable in ("DLCOURSE_OUTPUTS", "DLCOURSE_MODELS", "DLCOURSE_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    full = paths.outputs(), paths.models()
    assert paths.outputs("smoke") not in full
    assert paths.models("smoke") not in full
    monkeypatch.setenv("DLCOURSE_PROFILE", "smoke")
    assert (paths.outputs(), paths.models()) == (paths.outputs("smoke"), paths.models("smoke"))
    assert (paths.outputs("full"), paths.models("full")) == full
