"""From image files to pixels: bad files, the memory map, and batches."""

import os

import numpy as np
import pandas as pd
import pytest
from conftest import draw
from PIL import Image

from dlcourse import decoding, paths

# Bad files


BAD = {
    "sixteen.png": lambda file: draw(file, 30000, "I;16"),
    "palette.png": lambda file: draw(file, mode="P"),
    "print.jpg": lambda file: draw(file, mode="CMYK"),
    "empty.jpg": lambda file: file.write_bytes(b""),
    "text.jpg": lambda file: file.write_text("not a picture"),
    "endless.png": lambda file: file.write_bytes(draw(file).read_bytes()[:-8]),
    "half.jpg": lambda file: file.write_bytes(draw(file, size=(200, 200)).read_bytes()[:700]),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_and_nothing_is_kept(folder, name):
    folder.mkdir()
    good, bad = draw(folder / "good.jpg"), folder / name
    BAD[name](bad)
    assert decoding.problems([good, bad]).index.tolist() == [1]
    with pytest.raises(ValueError, match=f"1 of 2 image files cannot be used: {name}"):
        decoding.pixels([good, bad], 8)
    assert not list((paths.cache() / "pixels").iterdir())


def test_bad_files_can_be_dropped(folder):
    folder.mkdir()
    for name, make in BAD.items():
        make(folder / name)
    good = draw(folder / "good.jpg")
    table = pd.DataFrame({"file": [*(folder / name for name in BAD), good]})
    kept = table.drop(decoding.problems(table["file"]).index)
    assert kept["file"].tolist() == [good]
    assert len(decoding.pixels(kept["file"], 8)) == 1


# Pixels and batches


def test_pixels_are_those_of_the_file(folder):
    picture = np.zeros((16, 32, 3), np.uint8)
    picture[:, 16:] = (255, 128, 0)
    folder.mkdir()
    Image.fromarray(picture).save(folder / "two.png")
    (colour,) = decoding.pixels([folder / "two.png"], 8)
    assert colour.shape == (8, 8, 3)
    assert colour[:, 0].tolist() == [[0, 0, 0]] * 8
    assert colour[:, -1].tolist() == [[255, 128, 0]] * 8
    (grey,) = decoding.pixels([folder / "two.png"], 8, channels=1)
    assert grey.shape == (8, 8, 1)
    with pytest.raises(ValueError, match="channels must be 1"):
        decoding.pixels([folder / "two.png"], 8, channels=4)


@pytest.mark.parametrize("shape", [(20, 200), (10, 200), (24, 200), (200, 20), (100, 400)])
@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_fine_stripes_become_grey_wherever_a_side_shrinks(folder, shape, kind):
    folder.mkdir()
    stripes = np.indices(shape)[np.argmax(shape)] % 8 < 4
    Image.fromarray(np.uint8(200 * stripes)).save(folder / f"stripes.{kind}", quality=95)
    pixels = decoding.pixels([folder / f"stripes.{kind}"], 20, channels=1)
    assert abs(pixels.astype(int) - 100).max() <= 30  # averages of ten; picked out singly, they would be 0 or 200
    assert abs(pixels.mean() - 100) < 2


@pytest.mark.parametrize("size", [(100, 200), (30, 60)], ids=["decoded at a part of its size", "decoded in full"])
def test_pixels_of_a_photograph_are_those_of_the_file(folder, size):
    folder.mkdir()
    picture = np.zeros((*size, 3), np.uint8)
    picture[:, size[1] // 2 :] = (255, 128, 0)
    Image.fromarray(picture).save(folder / "two.jpeg", quality=95, subsampling=0)
    (pixels,) = decoding.pixels([folder / "two.jpeg"], 20).astype(int)
    assert abs(pixels[:, 2] - [0, 0, 0]).max() < 8
    assert abs(pixels[:, -3] - [255, 128, 0]).max() < 8


def test_pixels_are_decoded_once_and_again_when_a_file_changes(folder):
    file = draw(folder / "one.png", 10, "L")
    assert decoding.pixels([file], 8)[0, 0, 0].tolist() == [10, 10, 10]
    kept = {path: path.stat().st_mtime_ns for path in (paths.cache() / "pixels").iterdir()}
    decoding.pixels([file], 8)
    assert {path: path.stat().st_mtime_ns for path in (paths.cache() / "pixels").iterdir()} == kept
    draw(file, 200, "L", size=(21, 12))
    assert decoding.pixels([file], 8)[0, 0, 0].tolist() == [200, 200, 200]


def test_pixels_that_could_not_be_written_are_not_kept(folder, monkeypatch):
    file = draw(folder / "one.png", 10, "L")
    monkeypatch.setattr(os, "pwrite", lambda handle, pixels, at: 0)
    with pytest.raises(OSError, match="is the disk full"):
        decoding.pixels([file], 8)
    assert not list((paths.cache() / "pixels").iterdir())


def test_another_decoder_decodes_anew(folder, monkeypatch):
    file = draw(folder / "one.png", 10, "L")
    decoding.pixels([file], 8)
    monkeypatch.setattr(decoding, "_DECODER", "another version")
    decoding.pixels([file], 8)
    assert len(list((paths.cache() / "pixels").iterdir())) == 2


@pytest.fixture
def numbered():
    """Thirty images whose pixels are their number; ten of class 1."""
    images = np.broadcast_to(np.arange(30, dtype=np.uint8)[:, None, None, None], (30, 4, 4, 3))
    return images, (np.arange(30) < 10).astype(np.int64)


def drawn_numbers(dataset):
    return [int(image[0, 0, 0]) for images, _ in dataset.as_numpy_iterator() for image in images]


def test_batches_keep_the_order_without_a_seed(numbered):
    dataset = decoding.batches(*numbered, 8)
    assert drawn_numbers(dataset) == list(range(30))
    assert [len(images) for images, _ in dataset.as_numpy_iterator()] == [8, 8, 8, 6]
    assert dataset.element_spec[0].shape.as_list() == [None, 4, 4, 3]


def test_batches_are_shuffled_anew_every_epoch_with_their_labels(numbered):
    dataset = decoding.batches(*numbered, 8, seed=1)
    first, second = drawn_numbers(dataset), drawn_numbers(dataset)
    assert sorted(first) == sorted(second) == list(range(30))
    assert first != second
    for images, labels in dataset.as_numpy_iterator():
        assert ((images[:, 0, 0, 0] < 10) == labels).all()


def test_balanced_batches_draw_the_classes_equally_often(numbered):
    dataset = decoding.batches(*numbered, 8, seed=1, balanced=True)
    labels = np.concatenate([labels for _ in range(20) for _, labels in dataset.as_numpy_iterator()])
    assert len(labels) == 600
    assert labels.mean() == pytest.approx(0.5, abs=0.06)


def test_batches_need_a_label_for_each_image(numbered):
    images, labels = numbered
    with pytest.raises(ValueError, match="got 30 images and 29 labels"):
        decoding.batches(images, labels[:-1], 8)
    with pytest.raises(ValueError, match="balanced batches need a seed"):
        decoding.batches(images, labels, 8, balanced=True)
