"""Pretrain the stand-in backbone on the project's own drawn shapes and write dlcourse/stand_in.weights.h5.

usage: .venv/bin/python tools/pretrain_stand_in.py [EPOCHS]        (20 by default; minutes where bfloat16 is fast)

The shapes come from another seed than those of the lessons. Colours are exchanged, drained and inverted, so that
the features serve grey radiographs too. Batch normalisation helps to train and is then folded into the convolutions.
"""

import sys

import keras
import numpy as np
from keras import layers

from dlcourse import backbones, images, precisions, training
from dlcourse.samples import shapes

SEED, SIZE = 7, 64


def vary(batch: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """uint8 (n, 64, 64, 3) -> float32 of the same shape, 0 to 255: moved, mirrored, in other colours, with noise."""
    count = len(batch)
    rows, columns = random.integers(-6, 7, (2, count))
    batch = np.stack([np.roll(image, shift, (0, 1)) for image, shift in zip(batch, zip(rows, columns))])  # noqa: B905
    batch = np.where(random.random((count, 1, 1, 1)) < 0.5, batch[:, :, ::-1], batch).astype("float32")
    batch = batch[..., random.permutation(3)]
    grey = batch @ np.float32([0.3, 0.6, 0.1])
    batch = np.where(random.random((count, 1, 1, 1)) < 0.4, grey[..., None], batch)
    batch = np.where(random.random((count, 1, 1, 1)) < 0.3, 255 - batch, batch)
    batch = (batch - 128) * random.uniform(0.5, 1.3, (count, 1, 1, 1)) + 128 + random.uniform(-40, 40, (count, 1, 1, 1))
    batch += random.normal(size=batch.shape) * random.uniform(0, 12, (count, 1, 1, 1))
    return np.clip(batch, 0, 255).astype("float32")


def normalised() -> keras.Model:
    """The stand-in with batch normalisation behind each convolution, and a classifier of shapes."""
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), layers.Rescaling(1 / 127.5, offset=-1.0)])
    for layer in backbones.stand_in(SIZE).layers[1:]:  # without the input
        if isinstance(layer, layers.MaxPooling2D):
            model.add(layers.MaxPooling2D())
            continue
        model.add(layers.Conv2D(layer.filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal"))
        model.add(training.BatchNormalization(momentum=0.9))
        model.add(layers.ReLU())
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dropout(0.2))
    model.add(layers.Dense(len(shapes.CLASSES), activation="softmax", dtype="float32"))
    return model


def folded(model: keras.Model) -> keras.Model:
    """The stand-in with each normalisation folded into the convolution before it."""
    body = backbones.stand_in(SIZE)
    pairs = zip(
        [layer for layer in model.layers if isinstance(layer, layers.Conv2D)],
        [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)],
        [layer for layer in body.layers if isinstance(layer, layers.Conv2D)],
        strict=True,
    )
    for convolution, normalisation, target in pairs:
        (kernel,) = convolution.get_weights()
        gamma, beta, mean, variance = normalisation.get_weights()
        scale = gamma / np.sqrt(variance + normalisation.epsilon)
        target.set_weights([kernel * scale, beta - mean * scale])
    return body


def main(epochs: int = 20) -> None:
    """Train, fold, compare, write."""
    keras.utils.set_random_seed(SEED)
    (x_train, y_train), (x_test, y_test) = shapes.load(seed=SEED, train=12_000, test=1_000, image_size=SIZE)
    batches = images.Batches(x_train, y_train, 64, vary, SEED)
    keras.config.set_dtype_policy(precisions.fastest())
    model = normalised()
    rate = keras.optimizers.schedules.CosineDecay(
        2e-4, epochs * len(batches) * 9 // 10, warmup_target=2e-3, warmup_steps=epochs * len(batches) // 10
    )
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=0.02), "sparse_categorical_crossentropy", metrics=["accuracy"],
        jit_compile=False,
    )  # fmt: skip
    held_out = x_test.astype("float32"), y_test
    model.fit(batches, epochs=epochs, validation_data=held_out, callbacks=[training.EpochLog("shapes")], verbose=0)
    keras.config.set_dtype_policy("float32")
    model = precisions.converted(model, "float32")
    body = folded(model)
    inputs = held_out[0][:64] / 127.5 - 1
    maps = model.layers[-4].output
    expected = keras.Model(model.inputs, maps).predict(held_out[0][:64], verbose=0)
    assert np.allclose(body.predict(inputs, verbose=0), expected, atol=1e-3)
    body.save_weights(backbones.weights_file(backbones.STAND_IN))
    right = model.predict(held_out[0], verbose=0).argmax(axis=1) == y_test
    print(f"{body.count_params():,} parameters, {right.mean():.1%} of the held-out shapes")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
