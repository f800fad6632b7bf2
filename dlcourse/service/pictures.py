"""The course's models of pictures as functions from a picture to an answer with its heat."""

import base64
import io
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from PIL import Image

from dlcourse import checkpoints, decoding, explain, image_files, images

MOST_PIXELS = 1_000_000
_ADDRESS = "data:image/png;base64,"
SHOWN = 320  # pixels a side of what the page shows


class UnfitPictureError(ValueError):
    """A picture that is none, is too large, or shows nothing; the message says which."""


@dataclass(frozen=True)
class Seen:
    """What a model makes of a picture.

    Attributes:
        probabilities: class name to probability, summing to 1.
        picture: what the model was given, enlarged.
        heat: the same under its Grad-CAM for the likeliest class.
    """

    probabilities: dict[str, float]
    picture: Image.Image
    heat: Image.Image


class PictureModel:
    """One saved model, with what turns a picture into its input.

    Args:
        path: of the ``.h5`` file.
        made_by: the lesson that makes it.
        prepare: (picture, pixels a side) -> (1, side, side, channels), as the card's `preprocessing` says.

    Raises:
        checkpoints.CheckpointError: if the model or its card is missing, damaged or changed.
    """

    def __init__(self, path: Path, made_by: str, prepare: Callable[[Image.Image, int], np.ndarray]):
        self._model, self.card = checkpoints.load(path, made_by=made_by)
        self._prepare, self._lock = prepare, threading.Lock()
        self.side = self.card["input"]["shape"][1]

    def look(self, picture: Image.Image) -> Seen:
        """Ask the model about a picture.

        Raises:
            UnfitPictureError: if there is nothing to see in it.
        """
        given = self._prepare(picture, self.side).astype("float32")
        with self._lock:  # Grad-CAM watches a layer of the model, for one picture at a time
            p = self._model.predict_on_batch(given)[0].astype(float)
            p = np.array([1 - p[0], p[0]]) if len(p) == 1 else p / p.sum()
            heat = explain.grad_cam(self._model, given, classes=[int(p.argmax())])[0]
        scale = 255 if given.max() > 1 else 1
        grey_or_colour = np.broadcast_to(given[0] / scale, (*given.shape[1:3], 3))
        strength = (heat / max(heat.max(), 1e-9))[..., None]
        hot = (1 - 0.6 * strength) * grey_or_colour + 0.6 * strength * colormaps["inferno"](strength[..., 0])[..., :3]
        return Seen(dict(zip(self.card["classes"], p.tolist(), strict=True)), _enlarged(grey_or_colour), _enlarged(hot))


@dataclass(frozen=True)
class Kind:
    """A tab of the page: which model, and how pictures come to it.

    Attributes:
        title: of the tab.
        lesson: that makes the model.
        file: the model's name in the folder of models.
        prepare: as in :class:`PictureModel`.
        examples: the card's provenance -> a few test pictures with what they show.
        drawn: whether one draws a picture, or chooses a file.
        medical: whether it must say that it is not for diagnosis.
    """

    title: str
    lesson: str
    file: str
    prepare: Callable[[Image.Image, int], np.ndarray]
    examples: Callable[[dict], list[tuple[Image.Image, str]]]
    drawn: bool = False
    medical: bool = False


def received(address) -> Image.Image:
    """A picture as the page sends it: its PNG file in a data address.

    The page makes every picture small before it sends it; whoever sends a larger one does not use the page.

    Raises:
        UnfitPictureError: if it is no picture or has too many pixels; it is not decoded then.
    """
    none = UnfitPictureError("expected a picture, such as a PNG or JPEG file; this is none")
    if not isinstance(address, str) or not address.startswith(_ADDRESS):
        raise none
    try:
        picture = Image.open(io.BytesIO(base64.b64decode(address[len(_ADDRESS) :], validate=True)), formats=("PNG",))
        if picture.width * picture.height <= MOST_PIXELS:
            return picture.convert("RGB")
    except Exception as error:  # Pillow raises many kinds
        raise none from error
    raise UnfitPictureError(f"expected at most {MOST_PIXELS:,} pixels; got {picture.width} x {picture.height}")


def digit(picture: Image.Image, side: int) -> np.ndarray:
    """A drawn digit as MNIST has them: light on dark, within 20x20, its centre of mass in the middle; as lesson 02."""
    ink = np.asarray(picture.convert("L"), "float32")
    ink = ink if np.median(ink) < 128 else 255 - ink  # most of a picture is paper
    if np.ptp(ink) < 64:
        raise UnfitPictureError("expected a digit in clear contrast to the paper; got an empty picture")
    rows, columns = np.nonzero(ink > ink.max() / 4)
    ink = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    inner = side * 20 / 28
    height, width = (max(1, round(length * inner / max(ink.shape))) for length in ink.shape)
    ink = np.asarray(Image.fromarray(ink.astype("uint8")).resize((width, height)), "float32")
    down, right = ((ink.sum(axis=1 - axis) @ np.arange(ink.shape[axis])) / ink.sum() for axis in (0, 1))
    middle = (side - 1) / 2
    top, left = (
        int(np.clip(round(middle - down), 0, side - height)),
        int(np.clip(round(middle - right), 0, side - width)),
    )
    canvas = np.zeros((1, side, side, 1), "float32")
    canvas[0, top : top + height, left : left + width, 0] = ink / ink.max()
    return canvas


def colour(picture: Image.Image, side: int) -> np.ndarray:
    """RGB, stretched to a square, 0 to 255."""
    return decoding.stretched(np.asarray(picture.convert("RGB")), side)[None]


def grey(picture: Image.Image, side: int) -> np.ndarray:
    """Grey as RGB, stretched to a square, 0 to 255."""
    return colour(picture.convert("L"), side)


def _digits(made: dict) -> list[tuple[Image.Image, str]]:
    data = images.load_digits(source=made["source"], seed=made["seed"])
    return [(Image.fromarray(data.x_test[of][..., 0]), str(label)) for label in range(10)
            for of in np.flatnonzero(data.y_test == label)[:1]]  # fmt: skip


def _files(load, made: dict) -> list[tuple[Image.Image, str]]:
    found = load(source=made["source"], seed=made["seed"])
    rows = found.part("test").groupby("label").head(3)
    return [(Image.open(row.file).convert("RGB"), found.classes[row.label]) for row in rows.itertuples()]


def _enlarged(values: np.ndarray) -> Image.Image:
    pixels = Image.fromarray(np.uint8(255 * values.clip(0, 1)))
    return pixels.resize((SHOWN, SHOWN), Image.Resampling.NEAREST if len(values) < 64 else Image.Resampling.BICUBIC)


KINDS = (
    Kind("Digits", "02_digits_cnn", "digit_recognizer_cnn", digit, _digits, drawn=True),
    Kind(
        "Pets", "04_cats_dogs_mobilenetv2", "cat_vs_dog_transfer_learning", colour,
        lambda made: _files(image_files.load_pets, made),
    ),
    Kind(
        "X-rays", "06_pneumonia_vgg16_binary", "pneumonia_vgg16_binary", grey,
        lambda made: _files(image_files.load_radiographs, made), medical=True,
    ),
)  # fmt: skip
