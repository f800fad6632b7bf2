"""Pretrained bodies with the preprocessing each was trained with: choosing, loading and cutting them."""

import os
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers

from dlcourse import catalogue, paths

STAND_IN = "stand-in"
_STAND_IN_WEIGHTS = Path(__file__).with_name("stand_in.weights.h5")
_FILES = {
    "vgg16": "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "resnet50v2": "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "mobilenetv2": "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_160_no_top.h5",
    "mobilenetv2_035": "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5",
    "efficientnetb0": "efficientnetb0_notop.h5",
    "efficientnetb7": "efficientnetb7_notop.h5",
}
NAMES = (*_FILES, STAND_IN)
_BOUNDARIES = {
    "vgg16": "block4_pool",
    "resnet50v2": "conv4_block6_out",
    "mobilenetv2": "block_12_add",
    "mobilenetv2_035": "block_12_add",
    "efficientnetb0": "block5c_add",
    "efficientnetb7": "block5j_add",
    STAND_IN: "block3_pool",
}


@dataclass(frozen=True)
class Backbone:
    """A body without its classifier, ready for pixels as they are.

    Attributes:
        name: one of `NAMES`.
        weights: what the weights are, as figures and model cards have to name them.
        model: RGB images (n, height, width, 3), 0 to 255 -> feature maps (n, rows, columns, channels). Its own
            preprocessing comes first in it.
        boundary: a layer of it behind which the last blocks lie that one customarily fine-tunes.
    """

    name: str
    weights: str
    model: keras.Model
    boundary: str


def choose(name: str, own: str) -> str:
    """The backbone that a lesson's ``backbone=`` stands for.

    Args:
        name: one of `NAMES`, or ``"auto"``: `own` where its published weights are present, otherwise the stand-in.
        own: the network of the lesson's report.

    Raises:
        ValueError: if `name` is neither.
    """
    if name == "auto":
        return own if weights_file(own) else STAND_IN
    if name not in NAMES:
        raise ValueError(f"backbone must be auto or one of {', '.join(NAMES)}; got {name!r}")
    return name


def weights_file(name: str) -> Path | None:
    """Where the weights of a backbone lie: in the data folder, in Keras' cache, in this package; or None."""
    if name == STAND_IN:
        return _STAND_IN_WEIGHTS
    keras_cache = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "models"
    places = (paths.data() / "weights", keras_cache)
    return next((place / _FILES[name] for place in places if (place / _FILES[name]).exists()), None)


def load(name: str, image_size: int, *, weights: str = "published") -> Backbone:
    """A backbone for square images of `image_size` pixels, frozen.

    Args:
        name: one of `NAMES`.
        image_size: pixels a side.
        weights: ``"published"``, or ``"random"`` for the same body untrained, as a baseline.

    Raises:
        ValueError: if an argument is none of these, or the file holds the weights of another network.
        FileNotFoundError: if the published weights are not there.
    """
    if name not in NAMES:
        raise ValueError(f"backbone must be one of {', '.join(NAMES)}; got {name!r}")
    if weights not in ("published", "random"):
        raise ValueError(f"weights must be published or random; got {weights!r}")
    file = weights_file(name) if weights == "published" else None
    if weights == "published" and file is None:
        raise FileNotFoundError(
            f"{name} needs {_FILES[name]} in {paths.data() / 'weights'}: run `make data`, or use backbone='{STAND_IN}'"
        )
    body = _body(name, image_size)
    if file:
        try:
            body.load_weights(file)
        except Exception as error:
            raise ValueError(f"{file} does not hold weights of {name}: {str(error).splitlines()[0]}") from error
    model = keras.Sequential([keras.Input((image_size, image_size, 3)), *_preprocessing(name), body], name=name)
    model.trainable = False
    return Backbone(name, _label(name, file), model, _BOUNDARIES[name])


def split(model: keras.Model, boundary: str) -> tuple[keras.Model, keras.Model]:
    """Cut a :attr:`Backbone.model` behind a layer of its body: what stays frozen, and what is fine-tuned on its output.

    Both are frozen until ``trainable`` is set. They share their layers with `model`, so what the upper part learns is
    learned by `model` too.

    Raises:
        ValueError: if there is no such layer, or the rest does not hang on it alone.
    """
    *preprocessing, body = model.layers
    names = [layer.name for layer in body.layers]
    if boundary not in names:
        raise ValueError(f"{body.name} has no layer {boundary!r}; its last ones are {', '.join(names[-5:])}")
    middle = body.get_layer(boundary).output
    try:
        upper = keras.Model(middle, body.outputs[0], name=f"{body.name}_upper")
    except ValueError as error:
        raise ValueError(
            f"{body.name} cannot be cut at {boundary!r}: later layers also use what is before it"
        ) from error
    upper.trainable = False  # as its layers are; else setting it to True would not reach them
    lower = keras.Model(body.inputs, middle, name=f"{body.name}_lower")
    return keras.Sequential([keras.Input(model.input_shape[1:]), *preprocessing, lower]), upper


def stand_in(image_size: int) -> keras.Model:
    """The stand-in's body: four blocks of two 3x3 convolutions in the manner of VGG, 210,000 parameters."""
    inputs = keras.Input((image_size, image_size, 3))
    maps = inputs
    for block, filters in enumerate((16, 32, 64, 96), start=1):
        for _ in range(2):
            maps = layers.Conv2D(filters, 3, padding="same", activation="relu", kernel_initializer="he_normal")(maps)
        maps = layers.MaxPooling2D(name=f"block{block}_pool")(maps)
    return keras.Model(inputs, maps, name="stand_in")


def _body(name: str, image_size: int) -> keras.Model:
    if name == STAND_IN:
        return stand_in(image_size)
    applications = keras.applications
    build, options = {
        "vgg16": (applications.VGG16, {}),
        "resnet50v2": (applications.ResNet50V2, {}),
        "mobilenetv2": (applications.MobileNetV2, {"alpha": 1.0}),
        "mobilenetv2_035": (applications.MobileNetV2, {"alpha": 0.35}),
        "efficientnetb0": (applications.EfficientNetB0, {}),
        "efficientnetb7": (applications.EfficientNetB7, {}),
    }[name]
    return build(include_top=False, weights=None, input_shape=(image_size, image_size, 3), **options)


def _preprocessing(name: str) -> list:
    """As layers that any `.h5` can hold, what `keras.applications` does in its `preprocess_input` functions."""
    if name == "vgg16":  # colours in the order blue, green, red, less ImageNet's mean
        swap = layers.Conv2D(3, 1, name="blue_green_red_minus_mean")
        swap.build((None, None, None, 3))
        swap.set_weights(
            [np.eye(3, dtype="float32")[::-1][None, None], -np.array([103.939, 116.779, 123.68], "float32")]
        )
        return [swap]
    if name.startswith("efficientnet"):
        return []  # its first layers do it
    return [layers.Rescaling(1 / 127.5, offset=-1.0)]


def _label(name: str, file: Path | None) -> str:
    if file is None:
        return f"{name}, random weights"
    if name == STAND_IN:
        return "stand-in, pretrained on drawn shapes"
    label = catalogue.weights_label(file)
    return f"{name}, ImageNet" if label == "original" else f"{name}, {label}"
