"""What a saved model reacts to: heat over images, the weight of words, any layer's output, however deeply nested."""

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf


def layers_of(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Every layer in the order of computation, those of nested models in their model's place."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_of(layer)
        else:
            yield layer


def last_maps(model: keras.Model) -> keras.layers.Layer:
    """The last layer that still returns maps (n, height, width, channels) of more than one place.

    Raises:
        ValueError: if there is none, as in a model of texts.
    """
    shapes = [(layer, getattr(getattr(layer, "output", None), "shape", ())) for layer in layers_of(model)]
    found = [layer for layer, shape in shapes if len(shape) == 4 and max(shape[1:3]) > 1]
    if not found:
        raise ValueError(f"{model.name} has no layer that returns maps (n, height, width, channels)")
    return found[-1]


def watched(model: keras.Model, layer: keras.layers.Layer, inputs) -> tuple[tf.Tensor, tf.Tensor, tf.GradientTape]:
    """Run the model, and watch what one of its layers returns.

    A probability that is nearly 0 or 1 has no slope to speak of, so where the model ends in a softmax or sigmoid, its
    logits are returned.

    Args:
        model: as from `checkpoints.load`.
        layer: one of :func:`layers_of`.
        inputs: (n, ...), as the model wants them.

    Returns:
        The outputs (logits), what the layer returned, and a tape that knows the slopes of the first by the second.
    """
    seen = []
    *_, last = layers_of(model)
    squashing = getattr(last, "activation", None)
    is_probability = squashing in (keras.activations.softmax, keras.activations.sigmoid)
    compute = layer.call

    def call(*arguments, **options):
        seen.append(compute(*arguments, **options))
        tape.watch(seen[-1])
        return seen[-1]

    layer.call = call
    try:
        if is_probability:
            last.activation = keras.activations.linear
        # Watching the weights too would keep every layer's output in memory.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            outputs = model(inputs, training=False)
    finally:
        del layer.call
        if is_probability:
            last.activation = squashing
    return outputs, seen[-1], tape


def grad_cam(model: keras.Model, images: np.ndarray, *, classes=None, layer: keras.layers.Layer | None = None):
    """Where in each image lies what speaks for a class: Grad-CAM.

    Args:
        model: images -> probabilities (n, classes) or (n, 1), or whatever else; then the mean output counts.
        images: (n, height, width, channels), as the model wants them.
        classes: a class for each image, (n,); None: what the model says. With one output, 0 asks what speaks against.
        layer: whose maps are weighted; None: :func:`last_maps`.

    Returns:
        float32 (n, height, width), at least 0, on the scale of the slopes: compare within an image only.

    Raises:
        ValueError: if `images` are none, or the model has no maps.

    Source: Selvaraju et al. (2017), ICCV, 618-626.
    """
    images = np.asarray(images)
    if images.ndim != 4 or len(images) == 0:
        raise ValueError(f"expected images (n, height, width, channels); got an array of shape {images.shape}")
    layer = layer or last_maps(model)

    def of_part(images, classes):
        """Grad-CAM of a few images at once, (n, height, width)."""
        outputs, maps, tape = watched(model, layer, images)
        slopes = tape.gradient(outputs, maps, output_gradients=_of_classes(outputs, classes))
        importance = tf.reduce_mean(slopes, axis=(1, 2), keepdims=True)
        heat = tf.nn.relu(tf.reduce_sum(importance * maps, axis=-1, keepdims=True))
        return tf.image.resize(tf.cast(heat, tf.float32), images.shape[1:3])[..., 0].numpy()

    return _in_parts(of_part, images, classes)


def occlusion(model: keras.Model, images: np.ndarray, *, classes=None, patch: int, stride: int) -> np.ndarray:
    """How much less a class is believed where a patch of the image is covered with its mean.

    Args:
        model, images, classes: as in :func:`grad_cam`; the model must return probabilities.
        patch, stride: sides of the patch and its steps, in pixels.

    Returns:
        float32 (n, height, width): the loss of probability, averaged over the patches that cover a pixel.

    Source: Zeiler and Fergus (2014), ECCV, 818-833.
    """

    def of_part(images, classes):
        """Occlusion of a few images at once, (n, height, width)."""
        whole = model.predict_on_batch(images)
        weights = _of_classes(whole, classes)
        heat, covered = np.zeros((2, *images.shape[:3]), "float32")
        mean = images.mean(axis=(1, 2), keepdims=True)
        for top in range(0, images.shape[1] - patch + stride, stride):
            for left in range(0, images.shape[2] - patch + stride, stride):
                place = np.s_[:, top : top + patch, left : left + patch]
                hidden = images.copy()
                hidden[place] = mean
                loss = np.sum((whole - model.predict_on_batch(hidden)) * weights, axis=1)
                heat[place] += loss[:, None, None]
                covered[place] += 1
        return heat / np.maximum(covered, 1)

    return _in_parts(of_part, np.asarray(images, "float32"), classes)


def word_weights(model: keras.Model, numbers: np.ndarray, *, classes=None) -> np.ndarray:
    """How much each word speaks for a class: gradient times input, at the word vectors.

    Args:
        model: word numbers (n, words) -> probabilities, with an Embedding.
        numbers: (n, words), as the model wants them.
        classes: as in :func:`grad_cam`.

    Returns:
        float32 (n, words), in logits; what is below 0 speaks against.

    Raises:
        ValueError: if the model has no Embedding.
    """
    tables = [layer for layer in layers_of(model) if isinstance(layer, keras.layers.Embedding) and layer.output_dim > 1]
    if not tables:
        raise ValueError(f"{model.name} has no Embedding: it does not read words")
    outputs, vectors, tape = watched(model, tables[0], np.asarray(numbers))
    slopes = tape.gradient(outputs, vectors, output_gradients=_of_classes(outputs, classes))
    return tf.reduce_sum(tf.cast(slopes * vectors, tf.float32), axis=-1).numpy()


def _in_parts(of_part, images, classes):
    """Heat of the images, 32 at a time, so that memory does not grow with their number."""
    rows = [slice(start, start + 32) for start in range(0, len(images), 32)]
    return np.concatenate([of_part(images[of], None if classes is None else np.asarray(classes)[of]) for of in rows])


def _of_classes(outputs, classes):
    """What to multiply the outputs with, so that of each row the class asked for is left: same shape and dtype."""
    outputs = np.asarray(outputs)
    if outputs.ndim != 2:
        return np.full_like(outputs, 1 / np.prod(outputs.shape[1:]))
    if outputs.shape[1] == 1:
        yes = np.ones(len(outputs)) if classes is None else np.asarray(classes)
        return np.where(yes == 1, 1, -1).astype(outputs.dtype)[:, None]
    chosen = outputs.argmax(axis=1) if classes is None else np.asarray(classes)
    return np.eye(outputs.shape[1], dtype=outputs.dtype)[chosen]
