"""What the tests of the service share: small models, and the service as a process of its own."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import requests

from dlcourse import checkpoints, text

ROOT = Path(__file__).resolve().parent.parent
WORDS = {"i": None, "you": None, "love": 0, "ball": 1, "happy": 2, "sad": 3, "pizza": 4, "cookie": 4}


def save_emojify(path, sharpness=5.0, saved=None, **changed):
    """A model of sentences whose every word speaks for one emoji or for none."""
    table = np.zeros((len(WORDS) + 1, 5), "float32")
    for row, emoji in enumerate(WORDS.values(), start=1):
        if emoji is not None:
            table[row, emoji] = sharpness
    model = keras.Sequential(
        [
            keras.Input((10,), dtype="int32"),
            keras.layers.Embedding(*table.shape, weights=table),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(5, activation="softmax", kernel_initializer=keras.initializers.Identity(10)),
        ],
        name="tiny",
    )
    arguments = {
        "classes": list(text.EMOJI_CLASSES),
        "preprocessing": "numbered",
        "provenance": {"lesson": "13_emojify_lstm", "source": "sample"},
        "scores": {},
        "extras": {"vocabulary": list(WORDS), "emojis": list(text.EMOJIS)},
    }
    checkpoints.save(model, path, np.ones((2, 10), "int32"), **arguments | changed)
    if saved:
        edit_card(path, saved=saved)
    return path


def save_pictures(path, shape, classes, bias=0.0):
    """A model of pictures with random weights; of two classes it gives the probability of the second."""
    outputs, activation = (1, "sigmoid") if len(classes) == 2 else (len(classes), "softmax")
    model = keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Conv2D(4, 3, strides=2, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(outputs, activation=activation, bias_initializer=keras.initializers.Constant(bias)),
        ]
    )
    checkpoints.save(
        model, path, np.zeros((2, *shape), "float32"), classes=classes, preprocessing="none", scores={},
        provenance={"lesson": "x", "source": "sample", "seed": 0, "data": "nothing: its weights are random"},
    )  # fmt: skip
    return path


def edit_card(path, **changed):
    """Change entries of a model's card."""
    card = json.loads(checkpoints.card_path(path).read_text(encoding="utf-8")) | changed
    checkpoints.card_path(path).write_text(json.dumps(card), encoding="utf-8")


def free_port():
    """A port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def running(folder, *, command=None, port=None, models=None, **started):
    """A service as a process, by default `python -m dlcourse serve`; waits until it answers, and ends it afterwards."""
    port = port or free_port()
    command = command or [sys.executable, "-m", "dlcourse", "serve", "--port", str(port)]
    environment = started.pop("env", os.environ) | {"TMPDIR": str(folder)}
    if models:
        environment |= {"DLCOURSE_MODELS": str(models)}
    log = folder / "log"
    with open(log, "wb") as stderr:
        served = subprocess.Popen(command, stderr=stderr, **{"cwd": ROOT, "env": environment} | started)
    try:
        for _ in range(600):
            with contextlib.suppress(requests.ConnectionError):
                requests.get(f"http://127.0.0.1:{port}/health", timeout=5)
                break
            assert served.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.2)
        else:
            raise TimeoutError(log.read_text(encoding="utf-8"))
        yield SimpleNamespace(address=f"http://127.0.0.1:{port}", port=port, process=served, log=log, folder=folder)
    finally:
        served.kill()
        served.wait()
