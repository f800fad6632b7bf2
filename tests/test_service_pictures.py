"""The models of pictures behind the demo page: what they are given, what they refuse, what they show."""

import base64
import io
import struct
import zlib

import keras
import numpy as np
import pytest
from PIL import Image, ImageDraw
from serving import save_pictures

from dlcourse import decoding, explain
from dlcourse.service import pictures


def sent(content):
    """A file as the page sends it."""
    return "data:image/png;base64," + base64.b64encode(content).decode()


def png(mode="RGB", size=(30, 20)):
    out = io.BytesIO()
    Image.new(mode, size).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "1", "P", "I;16"])
def test_pictures_are_received_in_colour(mode):
    found = pictures.received(sent(png(mode)))
    assert (found.mode, found.size) == ("RGB", (30, 20))


@pytest.mark.parametrize(
    "address",
    [None, 5, {}, "", "https://elsewhere.example/a.png", "data:image/png;base64,", "data:image/png;base64,€€",
     sent(b"no picture"), sent(png()[:50]), sent(png())[:-40], sent(b"GIF89a" + bytes(20)),
     sent(png()).replace("png", "jpeg", 1)],
)  # fmt: skip
def test_what_is_no_picture_is_refused(address):
    with pytest.raises(pictures.UnfitPictureError, match="expected a picture, such as a PNG or JPEG"):
        pictures.received(address)


@pytest.mark.parametrize(("side", "reason"), [(5_000, "at most 1,000,000 pixels; got 5000 x 5000"), (30_000, "none")])
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(side, reason):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(pictures.UnfitPictureError, match=reason):
        pictures.received(sent(bomb))


@pytest.mark.parametrize("paper", [0, 255])
@pytest.mark.parametrize("place", [(20, 30), (150, 160)])
def test_a_digit_is_given_as_mnist_has_it(paper, place):
    drawing = Image.new("L", (280, 280), paper)
    x, y = place
    ImageDraw.Draw(drawing).rectangle([x, y, x + 40, y + 100], fill=255 - paper)
    (given,) = pictures.digit(drawing, 28)
    assert given.shape == (28, 28, 1)
    rows, columns = np.nonzero(given[..., 0] > 0.5)
    assert rows.max() - rows.min() + 1 == 20
    for places in (rows, columns):
        assert places.mean() == pytest.approx(13.5, abs=0.5)
    assert given.max() == 1


@pytest.mark.parametrize("value", [0, 255, 128])
def test_an_empty_drawing_is_refused(value):
    with pytest.raises(pictures.UnfitPictureError, match="got an empty picture"):
        pictures.digit(Image.new("L", (280, 280), value), 28)


def test_pictures_are_given_as_the_lessons_give_them(tmp_path, monkeypatch):
    monkeypatch.setenv("DLCOURSE_CACHE", str(tmp_path / "cache"))
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8))
    noise.save(tmp_path / "a.png")
    assert np.array_equal(pictures.colour(noise, 64), decoding.pixels([tmp_path / "a.png"], 64))
    grey = pictures.grey(noise, 64)
    assert grey.shape == (1, 64, 64, 3)
    assert np.ptp(grey, axis=3).max() == 0


@pytest.mark.parametrize("classes", [["cat", "dog"], ["a", "b", "c"]])
def test_a_model_looks_at_a_picture(tmp_path, classes):
    path = save_pictures(tmp_path / "model.h5", (64, 64, 3), classes)
    model = pictures.PictureModel(path, "x", pictures.colour)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8))
    seen = model.look(picture)
    assert list(seen.probabilities) == classes
    assert sum(seen.probabilities.values()) == pytest.approx(1)
    raw = keras.models.load_model(path, compile=False).predict(pictures.colour(picture, 64), verbose=0)[0]
    assert seen.probabilities[classes[-1]] == pytest.approx(float(raw[-1]), abs=1e-5)
    assert seen.picture.size == seen.heat.size == (pictures.SHOWN, pictures.SHOWN)


@pytest.mark.parametrize("bias", [-3.0, 3.0])
def test_the_heat_is_that_of_the_answer(tmp_path, monkeypatch, bias):
    path = save_pictures(tmp_path / "model.h5", (64, 64, 3), ["cat", "dog"], bias=bias)
    asked = []
    monkeypatch.setattr(
        explain, "grad_cam", lambda model, given, classes: asked.append(classes) or np.ones((1, 64, 64))
    )
    seen = pictures.PictureModel(path, "x", pictures.colour).look(Image.new("RGB", (9, 9)))
    assert asked == [[int(bias > 0)]]
    assert max(seen.probabilities, key=seen.probabilities.get) == ("dog" if bias > 0 else "cat")


def test_a_black_picture_has_its_place(tmp_path):
    model = pictures.PictureModel(save_pictures(tmp_path / "m.h5", (64, 64, 3), ["a", "b"]), "x", pictures.colour)
    assert np.isfinite(np.asarray(model.look(Image.new("RGB", (9, 9))).heat)).all()


@pytest.mark.parametrize("kind", pictures.KINDS, ids=lambda kind: kind.title)
def test_examples_come_from_the_test_set_with_their_labels(kind):
    examples = kind.examples({"source": "sample", "seed": 0})
    labels = [label for _, label in examples]
    assert len(set(labels)) == (10 if kind.title == "Digits" else 2)
    for picture, _ in examples:
        given = kind.prepare(picture, 28 if kind.title == "Digits" else 64)
        assert np.isfinite(given).all()
