"""Loading and splitting images; the same loader returns the real dataset or its embedded stand-in."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from sklearn.model_selection import train_test_split

from dlcourse import paths
from dlcourse.samples import digits, shapes


@dataclass(frozen=True)
class ImageArrays:
    """Images held in memory, in three disjoint splits.

    Attributes:
        name: the dataset's name in the catalogue.
        source: ``"sample"`` or ``"real"``.
        description: one phrase saying what the images are.
        classes: the class names, in the order of the labels.
        x_train, x_validation, x_test: uint8, (n, height, width, channels), 0 to 255.
        y_train, y_validation, y_test: int64, (n,), 0 to ``len(classes) - 1``.
    """

    name: str
    source: str
    description: str
    classes: tuple[str, ...]
    x_train: np.ndarray
    y_train: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


class Batches(keras.utils.PyDataset):
    """Shuffled batches for `fit`, prepared anew each time they are drawn, so that augmentation never repeats itself.

    Only full batches are drawn: with shuffling, other images are left out every epoch, and every step of the optimizer
    counts alike.

    Args:
        images: (n, ...); stays as it is, so uint8 saves memory.
        labels: (n, ...).
        batch_size: images a batch; n at most.
        prepare: called as ``prepare(images, random)`` with a batch and a NumPy generator, returns the model's inputs.
        seed: of the shuffling and of `random`.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        prepare: Callable[[np.ndarray, np.random.Generator], np.ndarray],
        seed: int,
    ):
        super().__init__()
        self.images, self.labels, self.prepare = images, labels, prepare
        self.batch_size = min(batch_size, len(images))
        self.random = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.images) // self.batch_size

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """One prepared batch and its labels."""
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        return self.prepare(self.images[chosen], self.random), self.labels[chosen]

    def on_epoch_end(self) -> None:
        """Shuffle for the next epoch."""
        self.order = self.random.permutation(len(self.images))


CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def load_digits(*, source: str, seed: int, limit: int | None = None) -> ImageArrays:
    """Handwritten digits: MNIST's 60,000 + 10,000, or scikit-learn's 1,797 enlarged to 28x28.

    A twelfth of the training images (5,000 of MNIST's 60,000), stratified, is held out for validation.

    Args:
        source: ``"auto"``, ``"sample"`` or ``"real"``.
        seed: decides which training images validate; the test set never changes.
        limit: the most images a split may hold, or None for all.

    Raises:
        FileNotFoundError: if real data was asked for and is not there.
        ValueError: if the file does not hold what MNIST holds.
    """
    files = paths.locate(source, "mnist", "mnist/mnist.npz")
    if files:
        arrays = _read_arrays(files[0], (28, 28), 10)
        description = f"MNIST, {len(arrays[0]):,} + {len(arrays[2]):,} digits of 28x28"
    else:
        (x_train, y_train), (x_test, y_test) = digits.load()
        arrays = x_train, y_train, x_test, y_test
        description = "scikit-learn's 8x8 digits enlarged to 28x28"
    return _split("mnist", bool(files), description, tuple("0123456789"), arrays, seed, limit)


def load_objects(*, source: str, seed: int, limit: int | None = None) -> ImageArrays:
    """Small colour pictures of ten kinds: CIFAR-10's 50,000 + 10,000, or drawn textured shapes; 32x32x3.

    A twelfth of the training images, stratified, is held out for validation. Arguments and errors as in
    :func:`load_digits`.
    """
    files = paths.locate(source, "cifar10", "cifar10/cifar10.npz")
    if files:
        arrays = _read_arrays(files[0], (32, 32, 3), 10)
        description = f"CIFAR-10, {len(arrays[0]):,} + {len(arrays[2]):,} photographs of 32x32"
        classes = CIFAR10_CLASSES
    else:
        (x_train, y_train), (x_test, y_test) = shapes.load()
        arrays = x_train, y_train, x_test, y_test
        description = "drawn textured shapes of 32x32"
        classes = tuple(shapes.CLASSES)
    return _split("cifar10", bool(files), description, classes, arrays, seed, limit)


def _read_arrays(path, shape: tuple[int, ...], classes: int) -> tuple[np.ndarray, ...]:
    advice = f"`python -m dlcourse data verify {path.parent.name}` tells more; fetch it again if it is damaged"
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = tuple(stored[key] for key in ("x_train", "y_train", "x_test", "y_test"))
    except Exception as error:  # NumPy raises half a dozen kinds for a damaged archive
        raise ValueError(
            f"{path} is not a readable archive of x_train, y_train, x_test, y_test: {error}; {advice}"
        ) from error
    for images, labels in (arrays[:2], arrays[2:]):
        labels = labels.reshape(-1)
        if images.dtype != np.uint8 or images.shape[1:] != shape or len(images) != len(labels):
            raise ValueError(
                f"{path}: expected uint8 images (n, {', '.join(map(str, shape))}) with a label each; "
                f"got {images.dtype} {images.shape} with {len(labels)} labels; {advice}"
            )
        if not np.array_equal(np.unique(labels), np.arange(classes)):
            raise ValueError(f"{path}: expected labels 0 to {classes - 1}; got {np.unique(labels)}; {advice}")
    return arrays


def _split(name, real, description, classes, arrays, seed, limit) -> ImageArrays:
    x_train, y_train, x_test, y_test = arrays
    y_train, y_test = (labels.reshape(-1).astype(np.int64) for labels in (y_train, y_test))
    if x_train.ndim == 3:
        x_train, x_test = x_train[..., np.newaxis], x_test[..., np.newaxis]
    training, validation = train_test_split(
        np.arange(len(y_train)), test_size=1 / 12, stratify=y_train, random_state=seed
    )
    test = np.arange(len(y_test))
    if limit is not None:
        training, validation, test = training[:limit], validation[:limit], test[:limit]
    return ImageArrays(
        name=name,
        source="real" if real else "sample",
        description=description,
        classes=classes,
        x_train=x_train[training],
        y_train=y_train[training],
        x_validation=x_train[validation],
        y_validation=y_train[validation],
        x_test=x_test[test],
        y_test=y_test[test],
    )
