"""Pretrained bodies with the preprocessing each was trained with, and a bank of their features on disk."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from filelock import FileLock
from keras import layers

from dlcourse import catalogue, paths, runtime

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
_BATCH = 32


@dataclass(frozen=True)
class Backbone:
    """A body without its classifier, ready for pixels as they are.

    Attributes:
        name: one of `NAMES`.
        weights: what the weights are, as figures and model cards have to name them.
        model: RGB images (n, height, width, 3), 0 to 255 -> feature maps (n, rows, columns, channels). Its own
            preprocessing comes first in it.
    """

    name: str
    weights: str
    model: keras.Model


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
    return Backbone(name, _label(name, file), model)


def split(body: keras.Model, boundary: str) -> tuple[keras.Model, keras.Model]:
    """Cut a functional model behind the layer `boundary`: what stays frozen, and what is fine-tuned on its output.

    The two share their layers with `body`, so what the upper part learns is learned by `body` too.

    Raises:
        ValueError: if there is no such layer, or the rest does not hang on it alone.
    """
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
    return keras.Model(body.inputs, middle, name=f"{body.name}_lower"), upper


def stand_in(image_size: int) -> keras.Model:
    """The stand-in's body: four blocks of two 3x3 convolutions in the manner of VGG, 210,000 parameters."""
    inputs = keras.Input((image_size, image_size, 3))
    maps = inputs
    for filters in (16, 32, 64, 96):
        for _ in range(2):
            maps = layers.Conv2D(filters, 3, padding="same", activation="relu", kernel_initializer="he_normal")(maps)
        maps = layers.MaxPooling2D()(maps)
    return keras.Model(inputs, maps, name="stand_in")


def features(
    backbone: keras.Model,
    images: np.ndarray,
    *,
    augment: Callable | None = None,
    views: int = 1,
    seed: int = 0,
    precision: str = "auto",
    dtype: str = "float16",
) -> np.ndarray:
    """The feature bank: the frozen body's output for every image and view, computed once, then read from disk.

    The file's name is a hash of all that the numbers depend on: the body's layers and weights, the pixels, the
    augmentation, its seed, the number of views, precision and versions. So a change of any of them computes anew, and
    features of anything else are never read. A run that was killed goes on where it was.

    Args:
        backbone: a model, such as :attr:`Backbone.model` or the lower half of :func:`split`.
        images: (n, height, width, 3), 0 to 255, such as a memory map from `image_files.pixels`.
        augment: Keras layers that vary a batch, called with ``training=True``; None for the images as they are.
        views: how many varied copies of every image; 1 without `augment`.
        seed: of the augmentation.
        precision: ``"float32"``, ``"mixed_bfloat16"``, or ``"auto"``: the latter where a trial shows it to be faster on
            this machine and true to float32 within bfloat16's own accuracy.
        dtype: of the numbers on disk.

    Returns:
        (views, n, *feature shape) of `dtype`, read-only, on disk.

    Raises:
        ValueError: if several views of unvaried images are asked for, or `dtype` cannot hold a feature.
    """
    if augment is None and views != 1:
        raise ValueError(f"views={views} needs augment: without it all views are alike")
    if precision == "auto":
        precision = faster_precision(backbone, images[:_BATCH])
    key = _key(backbone, images, augment, views, seed, precision, dtype)
    path = paths.cache() / "features" / f"{key}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):  # two lessons at once: the second waits, then reads
        if not path.exists():
            _fill(path, in_precision(backbone, precision), images, augment, views, seed, dtype)
    return np.load(path, mmap_mode="r")


def faster_precision(model: keras.Model, examples: np.ndarray) -> str:
    """The dtype policy to run a model in: mixed_bfloat16 if it is 1.2 times as fast and within 2 %, else float32.

    The 2 % are the norm of the outputs' difference over the norm of the float32 outputs; bfloat16 keeps 8 bits, so that
    single products are off by up to 0.4 %.
    """
    if runtime.fastest_precision() == "float32":
        return "float32"
    outputs, seconds = {}, {}
    for policy in ("float32", "mixed_bfloat16"):
        run = _compiled(in_precision(model, policy), None)
        outputs[policy] = run(examples).numpy()  # traces and warms up
        trials = []
        for _ in range(3):
            started = time.perf_counter()
            run(examples).numpy()
            trials.append(time.perf_counter() - started)
        seconds[policy] = min(trials)
    difference = np.linalg.norm(outputs["mixed_bfloat16"] - outputs["float32"]) / np.linalg.norm(outputs["float32"])
    faster = seconds["float32"] > 1.2 * seconds["mixed_bfloat16"]
    return "mixed_bfloat16" if faster and difference < 0.02 else "float32"


def in_precision(model: keras.Model, policy: str) -> keras.Model:
    """A copy of a float32 model that computes under another dtype policy; the weights stay float32."""
    if policy == "float32":
        return model
    float32 = '"class_name": "DTypePolicy", "config": {"name": "float32"}'
    config = json.loads(json.dumps(model.get_config()).replace(float32, float32.replace("float32", policy)))
    copy = type(model).from_config(config)
    copy.set_weights(model.get_weights())
    return copy


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


def _key(model, images, augment, views, seed, precision, dtype) -> str:
    digest = hashlib.sha256()
    recipe = _without_names(augment.get_config()) if augment is not None else None
    versions = [runtime.versions()[package] for package in ("keras", "tensorflow")]
    pixels = [images.shape, str(images.dtype)]
    settings = [_without_names(model.get_config()), recipe, views, seed, precision, dtype, pixels, versions]
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).data)
    for start in range(0, len(images), 256):
        digest.update(np.ascontiguousarray(images[start : start + 256]).data)
    return digest.hexdigest()[:24]


def _without_names(config: dict) -> str:
    """The config with its layers numbered: Keras calls a second copy of the same layer by another name."""
    text, found = json.dumps(config, default=str), [config]
    names = {}
    while found:
        part = found.pop(0)
        if isinstance(part, dict):
            if part.get("class_name") != "DTypePolicy" and isinstance(part.get("config"), dict):
                names.setdefault(part["config"].get("name"))
            found.extend(part.values())
        elif isinstance(part, list):
            found.extend(part)
    for number, name in enumerate([config.get("name"), *names]):
        text = text.replace(json.dumps(name), f'"#{number}"') if name else text
    return text


def _compiled(model: keras.Model, augment):
    @tf.function
    def run(images):
        images = tf.cast(images, tf.float32)
        if augment is not None:
            images = augment(images, training=True)
        return tf.cast(model(images, training=False), tf.float32)

    return run


def _fill(path: Path, model, images, augment, views, seed, dtype) -> None:
    """Compute the bank a batch at a time, noting on disk how far it got; `path` appears when it is complete."""
    partial, progress = path.with_suffix(".part"), path.with_suffix(".done")
    done = int(progress.read_text()) if progress.exists() and partial.exists() else 0
    shape = (views, len(images), *model.output_shape[1:])
    bank = np.lib.format.open_memmap(partial, mode="r+" if done else "w+", dtype=dtype, shape=None if done else shape)
    run = _compiled(model, augment)
    batches = [(view, start) for view in range(views) for start in range(0, len(images), _BATCH)]
    for number, (view, start) in enumerate(batches):
        if number < done:
            continue
        if augment is not None:
            _reseed(augment, seed, number)  # so that a bank taken up again holds the same views
        maps = run(images[start : start + _BATCH]).numpy()
        if np.abs(maps).max() > np.finfo(dtype).max:
            raise ValueError(f"{model.name} gives features up to {np.abs(maps).max():.0f}: they need dtype='float32'")
        bank[view, start : start + len(maps)] = maps
        if number % 20 == 19:
            bank.flush()
            progress.write_text(str(number + 1))
    bank.flush()
    os.replace(partial, path)
    progress.unlink(missing_ok=True)


def _reseed(augment, seed: int, number: int) -> None:
    for variable in augment.variables:
        if "seed" in variable.path:
            variable.assign(keras.ops.cast([seed, number], variable.dtype))
