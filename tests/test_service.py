"""The Emojify API: what it answers, what it refuses and how, which model it asks, and what it leaves behind."""

import datetime
import json
import logging
import math
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import requests
from fastapi.testclient import TestClient
from serving import ROOT, WORDS, edit_card, running, save_emojify, save_pictures

from dlcourse import checkpoints, text, vocabularies
from dlcourse.service import api, emojify, first_model, gate, page, pictures, server


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with two versions; the file of the older one is the newer file."""
    folder = tmp_path_factory.mktemp("models of two versions")
    save_emojify(folder / "emojify_lstm.h5", saved="2026-02-01T00:00:00+00:00")
    save_emojify(folder / "emojify_other.h5", sharpness=9.0, saved="2026-01-01T00:00:00+00:00")
    return folder


@pytest.fixture(scope="module")
def versions(models):
    return emojify.Versions(models)


@pytest.fixture(scope="module")
def app(versions):
    return api.create(versions)


@pytest.fixture(scope="module")
def client(app):
    return TestClient(app)


# ---- what it answers


def test_health_names_the_newest_version_and_its_data(client, versions):
    newest, other = versions.models
    assert newest.startswith("emojify_lstm-")
    assert client.get("/health").json() == {
        "status": "healthy",
        "model_version": newest,
        "trained_on": "sample",
        "versions": [newest, other],
    }


def test_predict_answers_with_every_emoji(client, versions):
    answer = client.post("/predict", json={"text": "I love you"}).json()
    assert answer["text"] == "I love you"
    assert (answer["emoji"], answer["emoji_meaning"]) == (text.EMOJIS[0], "love")
    assert set(answer["all_predictions"]) == set(text.EMOJIS)
    assert sum(answer["all_predictions"].values()) == pytest.approx(1, abs=1e-12)
    assert answer["confidence"] == answer["all_predictions"][answer["emoji"]] == max(answer["all_predictions"].values())
    assert answer["unknown_words"] == []
    assert answer["model_version"] == versions.newest.version


def test_a_batch_is_answered_in_order_and_as_each_text_alone(client):
    texts = ["sad", "I love you", "ball ball", "sad"]
    batch = client.post("/predict/batch", json=texts).json()
    assert [answer["text"] for answer in batch] == texts
    for answer in batch:
        alone = client.post("/predict", json={"text": answer["text"]}).json()
        assert alone.pop("all_predictions") == pytest.approx(answer.pop("all_predictions"), abs=1e-6)
        assert alone.pop("confidence") == pytest.approx(answer.pop("confidence"), abs=1e-6)
        assert alone == answer


def test_unknown_words_are_named_once_and_relatives_are_known(client):
    answer = client.post("/predict", json={"text": "Cookies, zzz, qqq: zzz!"}).json()
    assert answer["emoji_meaning"] == "food"
    assert answer["unknown_words"] == ["zzz", "qqq"]


def test_a_batch_is_one_call_of_one_traced_function(versions, monkeypatch):
    calls = []
    compute = versions.newest._probabilities
    monkeypatch.setattr(
        versions.newest, "_probabilities", lambda numbers: calls.append(len(numbers)) or compute(numbers)
    )
    versions.newest.answers(["love"] * 64)
    assert calls == [64]
    for count in range(1, 9):
        versions.newest.answers(["love"] * count)
    assert compute.experimental_get_tracing_count() == 1


def test_the_answer_is_the_models(models, versions):
    model, card = checkpoints.load(models / "emojify_lstm.h5")
    numbers = vocabularies.Vocabulary(card["vocabulary"]).encode(["happy you"], 10, relatives=True)
    (answer,) = versions.newest.answers(["happy you"])
    p = dict(zip(card["emojis"], model.predict(numbers, verbose=0)[0], strict=True))
    assert answer["all_predictions"] == pytest.approx(p, abs=1e-6)


# ---- what it refuses

JSON = {"Content-Type": "application/json"}
LONG = "love " * 101
BAD = {
    "empty": ({"text": ""}, 422, "text: string should have at least 1 character; got 0 characters"),
    "blank": ({"text": "  \n"}, 422, "expected at least one word that the model knows; there is no word in it"),
    "over-long": ({"text": LONG}, 422, "text: string should have at most 500 characters; got 505 characters"),
    "number": ({"text": 5}, 422, "text: input should be a valid string; got a number"),
    "none": ({"text": None}, 422, "text: input should be a valid string; got nothing"),
    "list for text": ({"text": ["a"]}, 422, "text: input should be a valid string; got a list of 1"),
    "missing": ({}, 422, "text: field required; got an object"),
    "other field": ({"text": "love", "txt": 1}, 422, "txt: extra inputs are not permitted; got a number"),
    "list for object": (["love"], 422, "body: input should be a valid dictionary"),
    "control characters": ({"text": "love\x00you"}, 422, "text: expected no control characters; got 8 characters"),
    "right to left": (
        {"text": "أحبك يا صديقي"},
        422,
        "expected at least one word that the model knows; none of these is",
    ),
    "emojis only": ({"text": "😊❤️"}, 422, "expected at least one word that the model knows; there is no word in it"),
    "no such version": ({"text": "love", "model_version": "x"}, 404, "expected a model_version among emojify_lstm-"),
}
BAD_BATCHES = {
    "empty": ([], 422, "body: list should have at least 1 item after validation, not 0; got a list of 0"),
    "huge": (["love"] * 257, 422, "body: list should have at most 256 items"),
    "object": ({"text": "love"}, 422, "body: input should be a valid list; got an object"),
    "one bad": (["love", 1], 422, "1: input should be a valid string; got a number"),
    "one unknown": (
        ["love", "zzz"],
        422,
        "text 2 of 2: expected at least one word that the model knows; none of these",
    ),
}


def refused(response, status, sentence):
    assert response.status_code == status
    assert list(response.json()) == ["detail"]
    detail = response.json()["detail"]
    assert detail.startswith(sentence)
    assert "\n" not in detail
    assert len(detail) < 200


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_sentence(client, name):
    body, status, sentence = BAD[name]
    refused(client.post("/predict", json=body), status, sentence)


@pytest.mark.parametrize("name", BAD_BATCHES)
def test_a_bad_batch_gets_one_sentence(client, name):
    body, status, sentence = BAD_BATCHES[name]
    refused(client.post("/predict/batch", json=body), status, sentence)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"love", b'{"text": "lo', b"\xff\xfe\xfa", b'{"text": "\xff"}', b"[" * 100_000, b'{"a":' * 50_000],
    ids=["nothing", "brace", "word", "cut", "bytes", "not UTF-8", "deep list", "deep object"],
)
def test_what_is_no_json_gets_one_sentence(client, body):
    response = client.post("/predict", content=body, headers=JSON)
    assert response.status_code in (400, 422)
    assert len(response.json()["detail"]) < 200


def test_half_a_surrogate_pair_gets_one_sentence(client):
    response = client.post("/predict", content=b'{"text": "\\ud83d"}', headers=JSON)
    refused(response, 422, "text: expected text that is valid Unicode")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_another_content_type_is_refused(client, kind):
    response = client.post("/predict", content=b'{"text": "love"}', headers={"Content-Type": kind})
    assert 400 <= response.status_code < 500
    assert len(response.json()["detail"]) < 200


def test_a_body_that_is_too_large_is_refused_announced_or_not(client):
    body = b'["' + b"x" * gate.LARGEST_CALL + b'"]'
    refused(client.post("/predict/batch", content=body), 413, "expected at most 2,000,000 bytes")
    parts = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    refused(client.post("/predict/batch", content=parts), 413, "expected at most 2,000,000 bytes")


def test_the_longest_batch_fits_even_escaped(client):
    texts = ["love " + "\U0001f60a" * 495] * api.MOST_TEXTS  # twelve bytes a smiley, where JSON is written in ASCII
    body = json.dumps(texts).encode()
    assert 0.7 * gate.LARGEST_CALL < len(body) < gate.LARGEST_CALL
    assert client.post("/predict/batch", content=body, headers=JSON).status_code == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/predict", 405), ("GET", "/nothing", 404)])
def test_other_addresses_say_where_to_look(client, method, path, status):
    refused(client.request(method, path), status, "th")
    assert "/docs" in client.request(method, path).json()["detail"]


def test_an_error_of_the_server_shows_nothing_of_it(app, versions, monkeypatch):
    def broken(texts):
        raise RuntimeError("secret")

    monkeypatch.setattr(versions.newest, "answers", broken)
    response = TestClient(app, raise_server_exceptions=False).post("/predict", json={"text": "love"})
    assert response.status_code == 500
    assert "secret" not in response.text


# ---- which model it asks


def test_a_version_can_be_asked_for(client, versions):
    older = list(versions.models)[1]
    assert client.post("/predict", json={"text": "love", "model_version": older}).json()["model_version"] == older
    batch = client.post("/predict/batch", params={"model_version": older}, json=["love", "sad"]).json()
    assert {answer["model_version"] for answer in batch} == {older}


def test_a_share_of_the_requests_goes_to_another_version(models):
    older = list(emojify.Versions(models).models)[1]
    random.seed(0)
    shared = emojify.Versions(models, (older, 0.25))
    found = [shared.choose().version for _ in range(2000)]
    assert found.count(older) / 2000 == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / 2000))
    all_of_them, none = emojify.Versions(models, (older, 1)), emojify.Versions(models, (older, 0))
    assert {all_of_them.choose().version for _ in range(50)} == {older}
    assert {none.choose().version for _ in range(50)} == {none.newest.version}
    assert shared.choose(shared.newest.version) is shared.newest


def test_a_share_that_cannot_be_is_refused(models):
    with pytest.raises(emojify.UnknownVersionError, match="expected a model_version among"):
        emojify.Versions(models, ("nobody", 0.5))
    with pytest.raises(ValueError, match="from 0 to 1; got 2"):
        emojify.Versions(models, (list(emojify.Versions(models).models)[1], 2))
    with pytest.raises(ValueError, match="expected VERSION=FRACTION"):
        server._share("emojify_lstm-1234")
    assert server._share("emojify_lstm-1234=0.5") == ("emojify_lstm-1234", 0.5)
    assert server._share("") is None


@pytest.mark.parametrize("unfit", ["tampered", "without model", "without card", "another kind", "two the same"])
def test_an_unfit_model_is_refused_with_a_reason(tmp_path, unfit):
    path = save_emojify(tmp_path / "emojify_lstm.h5")
    if unfit == "tampered":
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    elif unfit == "without model":
        path.unlink()
    elif unfit == "without card":
        checkpoints.card_path(path).unlink()
    elif unfit == "another kind":
        edit_card(path, vocabulary=None)
    else:
        edit_card(path, emojis=["❤️", "⚾️", "😊", "🍽️", "🍽️"])
    with pytest.raises(checkpoints.CheckpointError, match=r"emojify_lstm.*make 13_emojify_lstm"):
        emojify.Versions(tmp_path)


def test_a_file_that_is_being_saved_is_no_model(tmp_path):
    (tmp_path / "emojify_lstm.123.part.h5").write_bytes(b"half")
    assert emojify.files(tmp_path) == []


def test_without_any_model_a_first_one_is_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("DLCOURSE_MODELS", str(tmp_path))
    monkeypatch.setattr(first_model, "train", lambda folder, source: save_emojify(folder / "emojify_first.h5"))
    monkeypatch.setattr(page, "mount", lambda app, *_: app)
    assert TestClient(server.application()).get("/health").json()["model_version"].startswith("emojify_first-")


def test_the_first_model_learns_the_sentences(tmp_path, monkeypatch):
    monkeypatch.setenv("DLCOURSE_OUTPUTS", str(tmp_path / "outputs"))
    path = first_model.train(tmp_path, "sample", epochs=12)
    card = checkpoints.read_card(path)
    assert card["scores"]["test_accuracy"]["low"] > 0.4  # a fifth by guessing
    assert card["provenance"]["source"] == "sample"
    (answer,) = emojify.Emojify(path).answers(["I love you"])
    assert answer["emoji_meaning"] == "love"


# ---- what it leaves behind, and whom it lets in


def test_the_log_is_json_and_holds_no_text(client, versions, caplog):
    with caplog.at_level(logging.INFO, logger="dlcourse.service"):
        client.post("/predict", json={"text": "love zzzsecret"})
        client.post("/predict", json={"text": "zzzsecret"})
        client.get("/zzzsecret?zzzsecret")
    lines = [json.loads(gate.JsonLines().format(record)) for record in caplog.records]
    assert "zzzsecret" not in json.dumps(lines)
    first = lines[0]
    assert datetime.datetime.fromisoformat(first["time"])
    known = ("event", "method", "route", "status", "model_version", "texts")
    assert [first[key] for key in known] == ["request", "POST", "/predict", 200, versions.newest.version, 1]
    assert [line["status"] for line in lines] == [200, 422, 404]
    assert lines[2]["route"] == "none"


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("path", ["/health", "/predict", "/demo/config", "/demo/gradio_api/info"])
def test_no_other_origin_is_let_in(whole, method, path):
    headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    response = whole.request(method, path, headers=headers)
    assert "access-control-allow-origin" not in response.headers


@pytest.fixture(scope="module")
def whole(versions, models, tmp_path_factory):
    """API and page, without models of pictures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLCOURSE_MODELS", str(models))
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        yield TestClient(page.mount(api.create(versions), versions))


def test_the_start_leads_to_the_page(whole):
    assert whole.get("/", follow_redirects=False).headers["location"] == f"{api.PAGE}/"
    assert whole.get("/").status_code == 200


def test_pages_fetch_nothing_from_elsewhere(whole):
    for path in ("/docs", "/demo/"):
        content = whole.get(path).text
        fetched = re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=[\"'](https?:)?//[^\"']+", content)
        assert fetched == [], path


@pytest.mark.parametrize(
    "path",
    ["file=/etc/passwd", "info/../file=/etc/passwd", "file=https://elsewhere.example/a", "proxy=https://a.hf.space/",
     "deep_link", "run-history/buckets"],
)  # fmt: skip
def test_the_page_reads_and_fetches_nothing_for_anybody(whole, path):
    assert whole.get(f"/demo/gradio_api/{path}").status_code == 404


@pytest.mark.parametrize("path", ["upload", "run/ask", "call/ask", "api/ask", "component_server", "stream/x"])
def test_the_page_takes_no_files_and_is_no_second_api(whole, path):
    assert whole.post(f"/demo/gradio_api/{path}", json={"data": ["love"]}).status_code == 404


@pytest.mark.parametrize(
    "given", [[{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}], [["x"]], "x", None, 5]
)
def test_the_page_takes_nothing_but_text(whole, given):
    body = {"data": given, "fn_index": 0, "session_hash": "x"}
    assert whole.post("/demo/gradio_api/queue/join", json=body).status_code == 400
    assert whole.post("/demo/gradio_api/queue/join", content=b"[" * 100_000).status_code == 400


def test_a_tampered_model_of_pictures_is_refused(models, versions, tmp_path, monkeypatch):
    path = save_pictures(tmp_path / "digit_recognizer_cnn.h5", (28, 28, 1), list("0123456789"))
    path.write_bytes(path.read_bytes() + b"x")
    monkeypatch.setenv("DLCOURSE_MODELS", str(tmp_path))
    with pytest.raises(checkpoints.CheckpointError, match="digit_recognizer_cnn"):
        page.mount(api.create(versions), versions)


def test_a_tab_without_a_model_says_how_to_train_it(whole):
    config = json.dumps(whole.get("/demo/config").json())
    for kind in pictures.KINDS:
        assert f"make {kind.lesson}" in config


def test_the_documentation_has_examples(client):
    schema = client.get("/openapi.json").json()
    assert schema["components"]["schemas"]["Sentence"]["properties"]["text"]["examples"] == ["I love you"]
    assert schema["components"]["schemas"]["Answer"]["examples"][0]["emoji"] == "❤️"
    assert "swagger-ui" in client.get("/docs").text


# ---- the process


@pytest.fixture(scope="module")
def process(models, tmp_path_factory):
    """`python -m dlcourse serve` on a free port, as its address and its process."""
    with running(tmp_path_factory.mktemp("served"), models=models) as served:
        yield served


def test_it_listens_on_this_machine_only(process):
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(process.process.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == process.port
    ]
    assert listening == ["127.0.0.1"]


def test_many_clients_at_once_get_their_own_answers(process):
    def client(number):
        with requests.Session() as session:
            for word in ("love", "ball", "happy", "sad") * 5:
                sent = f"{word} i{number}"
                answer = session.post(f"{process.address}/predict", json={"text": sent}, timeout=30).json()
                assert answer["text"] == sent
                assert answer["emoji"] == text.EMOJIS[WORDS[word]]
                assert answer["unknown_words"] == [f"i{number}"]

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(client, range(64)))


def test_schemathesis_finds_nothing(process, tmp_path):
    found = subprocess.run(
        [Path(sys.executable).with_name("schemathesis"), "--config-file", ROOT / "tests" / "schemathesis.toml",
         "run", f"{process.address}/openapi.json"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout


def test_a_stop_finishes_what_is_in_flight(models, tmp_path):
    with running(tmp_path, models=models) as served:
        body = json.dumps({"text": "I love you"}).encode()
        with socket.create_connection(("127.0.0.1", served.port)) as connection:
            head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
            connection.sendall(head.encode() + b"\r\n\r\n" + body[:5])
            time.sleep(0.5)
            served.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            connection.sendall(body[5:])
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert answer.startswith(b"HTTP/1.1 200")
        assert b'"emoji_meaning":"love"' in answer
        assert served.process.wait(20) == 0
        left = [path.name for path in tmp_path.iterdir() if path.name.startswith("dlcourse service")]
        assert left == []
        lines = served.log.read_text(encoding="utf-8").splitlines()
        logged = [json.loads(line) for line in lines if line.startswith("{")]
        assert all({"time", "level", "event"} <= set(line) for line in logged)
        assert [line["status"] for line in logged if line.get("route") == "/predict"] == [200]
        assert "I love you" not in "".join(lines)


def test_a_tampered_model_keeps_the_service_from_starting(tmp_path):
    path = save_emojify(tmp_path / "emojify_lstm.h5")
    path.write_bytes(path.read_bytes() + b"x")
    found = subprocess.run(
        [sys.executable, "-m", "dlcourse", "serve", "--port", "0"], cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"DLCOURSE_MODELS": str(tmp_path)}, timeout=120,
    )  # fmt: skip
    assert found.returncode == 2
    last = found.stderr.strip().splitlines()[-1]
    assert last.startswith("the service does not start:")
    assert "is not the file that its card describes" in last
    assert "Traceback" not in found.stderr


def test_the_readmes_examples_work_as_they_stand(process):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    examples = re.findall(r"^curl .*?(?<!\\)$", readme, re.MULTILINE | re.DOTALL)
    assert len(examples) >= 3
    for example in examples:
        here = example.replace("http://localhost:7860", process.address)
        assert here != example
        found = subprocess.run(["bash", "-c", here], capture_output=True, text=True, check=True)
        answer = json.loads(found.stdout)
        assert "detail" not in answer, example
