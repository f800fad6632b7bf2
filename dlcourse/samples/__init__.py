"""Embedded data: made or shipped with the package, so that every lesson runs without a download.

- `digits`: scikit-learn's handwritten digits, enlarged to the size of MNIST (lesson 02).
- `shapes`: ten kinds of textured shape in colour, in place of CIFAR-10 (lesson 02).
- `reviews`: film reviews from a grammar, in place of IMDb (lesson 03).
- `emojis`: sentences with one of five emojis, and word vectors for them (lesson 13).

Each module is imported by its own name (`from dlcourse.samples import shapes`), needs no
TensorFlow, and gives the same arrays on every machine.
"""
