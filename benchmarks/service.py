"""How much sooner the service answers than `model.predict`, and whether it stands a crowd.

usage: python benchmarks/service.py [single] [batch] [memory] [crowd] [--rounds 200] [--requests 100000] [--seconds 60]

- single: one text through the service's compiled function against `model.predict`, medians of as many calls.
- batch: 64 texts in one call against `model.predict` for each text.
- memory: that of the process after a fifth of the requests and after all of them.
- crowd: 64 clients at once against `python -m dlcourse serve` in a process of its own, with an A/B share of one half.

The model is the newest Emojify model of `models/`, or a first one trained for it. What is compared takes turns.
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

SINGLE, BATCH, GROWTH_MB, CLIENTS = 20, 100, 30, 64
TEXTS = ("I love you", "let us play ball", "I am not happy", "this food is great", "my team lost the game")


def milliseconds(function) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - started)


def _verdict(met: bool) -> str:
    return "met" if met else "MISSED"


def compared(plain, ours, texts: int, target: float, rounds: int) -> bool:
    """Time both in turn; print the ratio of the medians, that of a quarter of the rounds at its lowest and highest."""
    plain(), ours()
    times = [(milliseconds(plain), milliseconds(ours)) for _ in range(rounds)]
    slow, fast = (statistics.median(column) for column in zip(*times, strict=True))
    quarters = [times[start::4] for start in range(4)]
    ratios = [
        statistics.median(row[0] for row in part) / statistics.median(row[1] for row in part) for part in quarters
    ]
    met = slow / fast >= target
    print(f"  texts: {texts}; predict {slow:.1f} ms, service {fast:.2f} ms: {slow / fast:.0f} times sooner "
          f"({min(ratios):.0f} to {max(ratios):.0f}); target: {target:g}: {_verdict(met)}", flush=True)  # fmt: skip
    return met


def against_predict(count: int, target: float, options) -> bool:
    """The service's answers to `count` texts against `model.predict` for each of them."""
    from dlcourse import checkpoints, paths
    from dlcourse.service.emojify import Versions
    from dlcourse.vocabularies import Vocabulary

    newest = Versions(paths.models()).newest
    model, card = checkpoints.load(paths.models() / f"{newest.card['model']}.h5")
    vocabulary, texts = Vocabulary(card["vocabulary"]), [TEXTS[i % len(TEXTS)] for i in range(count)]

    def plain():
        for text in texts:
            model.predict(vocabulary.encode([text], 10, relatives=True), verbose=0)

    rounds = max(8, options.rounds // count)
    return compared(plain, lambda: newest.answers(texts), count, target, rounds)


def single(options) -> bool:
    """One text."""
    return against_predict(1, SINGLE, options)


def batch(options) -> bool:
    """64 texts."""
    return against_predict(64, BATCH, options)


def memory(options) -> bool:
    """Requests through the whole application, without a network."""
    import asyncio

    import httpx
    import psutil

    from dlcourse import paths
    from dlcourse.service import api
    from dlcourse.service.emojify import Versions

    app, process = api.create(Versions(paths.models())), psutil.Process()

    async def ask():
        """Every text anew, in turns alone and in batches of growing length; returns the memory on the way, in MB"""
        held = []
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
            for number in range(options.requests):
                text = f"I love you {number}"
                if number % 10:
                    answer = await client.post("/predict", json={"text": text})
                else:
                    answer = await client.post("/predict/batch", json=[text] * (1 + number // 10 % 256))
                assert answer.status_code == 200, answer.text
                if (number + 1) % (options.requests // 5) == 0:
                    held.append(process.memory_info().rss / 1e6)
        return held

    held = asyncio.run(ask())
    grown = held[-1] - held[0]
    met = grown <= GROWTH_MB
    print(f"  {options.requests:,} requests: {', '.join(f'{mb:,.0f}' for mb in held)} MB by fifths; "
          f"grown by {grown:.0f} MB; target: at most {GROWTH_MB}: {_verdict(met)}", flush=True)  # fmt: skip
    return met


def crowd(options) -> bool:
    """Many clients at once, against the real thing; then a stop in the middle of it."""
    import requests

    from dlcourse import checkpoints, paths
    from dlcourse.service.emojify import Versions

    with tempfile.TemporaryDirectory() as folder:
        newest = Versions(paths.models()).newest
        path = paths.models() / f"{newest.card['model']}.h5"
        for copy in ("emojify_a", "emojify_b"):
            shutil.copy(path, Path(folder, f"{copy}.h5"))
            shutil.copy(checkpoints.card_path(path), Path(folder, f"{copy}.json"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        share = f"emojify_b-{newest.card['sha256'][:8]}=0.5"
        command = [sys.executable, "-m", "dlcourse", "serve", "--port", port, "--share", share]
        environment = os.environ | {"DLCOURSE_MODELS": folder, "TF_CPP_MIN_LOG_LEVEL": "3"}
        with open(Path(folder, "log"), "wb") as log:
            server = subprocess.Popen(command, env=environment, stderr=log)
        address = f"http://127.0.0.1:{port}"
        try:
            while True:
                try:
                    requests.get(f"{address}/health", timeout=5)
                    break
                except requests.ConnectionError:
                    time.sleep(0.5)
                    assert server.poll() is None, Path(folder, "log").read_text()
            outcomes, times, ends = Counter(), [], time.monotonic() + options.seconds

            def client():
                with requests.Session() as session:
                    while time.monotonic() < ends:
                        started = time.perf_counter()
                        try:
                            answer = session.post(f"{address}/predict", json={"text": "I love you"}, timeout=30)
                            outcomes[answer.json().get("model_version", answer.status_code)] += 1
                        except requests.RequestException as error:
                            outcomes[type(error).__name__] += 1
                        times.append(time.perf_counter() - started)

            threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            server.terminate()
            status = server.wait(30)
    right = sum(count for name, count in outcomes.items() if str(name).startswith("emojify_"))
    met = right == outcomes.total() > 0 and status == 0
    p50, p99 = (1000 * sorted(times)[int(part * len(times))] for part in (0.5, 0.99))
    print(f"  {CLIENTS} clients, {options.seconds} s: {right:,} answers ({dict(outcomes)}), p50 {p50:.0f} ms, "
          f"p99 {p99:.0f} ms, exit status {status}; no error: {_verdict(met)}", flush=True)  # fmt: skip
    return met


def main() -> int:
    """Run the parts asked for; returns 1 if one misses its target."""
    parts = {"single": single, "batch": batch, "memory": memory, "crowd": crowd}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(parts))
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    if unknown := set(options.parts) - set(parts):
        parser.error(f"expected parts among {', '.join(parts)}; got {', '.join(sorted(unknown))}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from dlcourse import paths
    from dlcourse.service import emojify, first_model

    if not emojify.files(paths.models()):
        first_model.train(paths.models())
    met = []
    for name in options.parts or parts:
        print(name, flush=True)
        met.append(parts[name](options))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
