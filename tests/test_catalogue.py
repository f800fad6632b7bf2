"""The catalogue against a real HTTP server on the loopback that serves good, damaged and malicious files."""

import argparse
import dataclasses
import hashlib
import http.server
import io
import os
import pickle
import stat
import subprocess
import sys
import tarfile
import threading
import time
import zipfile

import numpy as np
import pytest
import requests

from dlcourse import catalogue, downloads, fetching, paths

GOOD = b"the good file\n" * 1000
JPEG = b"\xff\xd8\xff\xe0 a photograph "


class Handler(http.server.SimpleHTTPRequestHandler):
    """Static files; a path with an entry in the server's `behaviours` is answered by that instead."""

    def do_GET(self):
        behaviour = self.server.behaviours.get(self.path)
        return behaviour(self) if behaviour else super().do_GET()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a client that gives up is what the tests are about


@pytest.fixture
def web(tmp_path):
    """A server over `web.root`, with `web.put(name, content) -> address`."""
    root = tmp_path / "web"
    root.mkdir()
    server = Server(("127.0.0.1", 0), lambda *arguments: Handler(*arguments, directory=str(root)))
    server.behaviours, server.root = {}, root
    server.base = f"http://127.0.0.1:{server.server_port}"

    def put(name, content):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
        return f"{server.base}/{name}"

    server.put = put
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("DLCOURSE_MIRROR", raising=False)
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "data"


def sha256(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def dataset(*addresses, path="things/thing.txt", content=GOOD, published=True, **more):
    size = more.pop("size", len(content))
    source = catalogue.Source(addresses, len(content), sha256(content) if published else "")
    item = catalogue.Item(path, size, (source,), **more)
    return catalogue.Dataset("thing", "A thing", "CC0", "https://example.org", "Nobody, 2020", (item,))


def fetch(entry, folder, **more):
    return fetching.fetch(entry, folder, **{"progress": False, "timeout": 5, **more})[0]


def refused(entry, folder, match, **more):
    """Fetch, expect a one-line error, and that it left the data folder exactly as it was."""
    before = contents(folder)
    with pytest.raises(downloads.FetchError, match=match) as caught:
        fetch(entry, folder, **more)
    assert "\n" not in str(caught.value)
    assert contents(folder) == before


def contents(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def answer(handler, content=b"", *, status=200, **headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)


def zipped(members):
    """A zip archive from (name or ZipInfo, content) pairs."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(*members):
    """A tar.gz archive from (TarInfo, content) pairs."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def photographs(address, content, **more):
    return dataset(address, path="pets", content=content, folders=("cat", "dog"),
                   unpack=((r"(?:^|/)train/(cat|dog)s/([^/]+\.jpg)$", r"\1/\2"),),
                   **{"files": 2, "size": 1000, **more})  # fmt: skip


PETS = [("pets/train/cats/1.jpg", JPEG + b"cat"), ("pets/train/dogs/1.jpg", JPEG + b"dog")]


# Good downloads.


def test_a_good_file_is_put_in_its_place(web, folder):
    status = fetch(dataset(web.put("thing.txt", GOOD)), folder)
    assert status.status == "ok"
    assert contents(folder) == {"things/thing.txt": GOOD}


def test_what_is_there_is_not_fetched_again(web, folder):
    entry = dataset(web.put("thing.txt", GOOD))
    fetch(entry, folder)
    web.shutdown()
    assert fetch(entry, folder).status == "ok"


def test_a_changed_file_is_fetched_again(web, folder):
    entry = dataset(web.put("thing.txt", GOOD))
    fetch(entry, folder)
    (folder / "things/thing.txt").write_bytes(b"changed")
    fetch(entry, folder)
    assert contents(folder) == {"things/thing.txt": GOOD}


def test_a_redirect_to_http_is_followed(web, folder):
    target = web.put("thing.txt", GOOD)
    web.behaviours["/moved"] = lambda handler: answer(handler, status=302, Location=target)
    assert fetch(dataset(f"{web.base}/moved"), folder).status == "ok"


def test_the_progress_bar_goes_to_standard_error(web, folder, capfd):
    fetch(dataset(web.put("thing.txt", GOOD)), folder, progress=True)
    output = capfd.readouterr()
    assert "100%" in output.err
    assert output.out == ""


# Failures: one clear line, nothing left behind, the earlier copy untouched.


def wrong(handler):
    answer(handler, GOOD[:-1] + b"X")


def truncated(handler):
    answer(handler, GOOD[:5000], Content_Length=len(GOOD))


def truncated_without_length(handler):
    answer(handler, GOOD[:5000])


def missing(handler):
    answer(handler, b"<html>not here</html>", status=404)


def page(handler):
    answer(handler, b"<!doctype html><html><body>Please log in</body></html>")


def endless(handler):
    answer(handler, GOOD * 1000)


def circle(handler):
    answer(handler, status=302, Location=handler.path)


def elsewhere(handler):
    answer(handler, status=302, Location="file:///etc/passwd")


def nonsense(handler):
    answer(handler, GOOD, Content_Length="many")


FAILURES = {
    wrong: "expected sha256:.*published.*got sha256:",
    truncated: "broke off after",
    truncated_without_length: "14,000 bytes; got sha256:.*5,000 bytes",
    missing: "answered 404",
    page: "an HTML page",
    endless: "sends more than the .* bytes expected at most",
    circle: "TooManyRedirects",
    elsewhere: "redirects from http to file:///etc/passwd, which is not followed",
    nonsense: "nothing was changed",
}


@pytest.mark.parametrize("behaviour", FAILURES, ids=lambda behaviour: behaviour.__name__)
@pytest.mark.parametrize("earlier", [False, True], ids=["fresh", "earlier-copy"])
def test_a_bad_answer_is_refused(web, folder, behaviour, earlier):
    if earlier:
        fetch(dataset(web.put("good.txt", GOOD)), folder)
    web.behaviours["/thing.txt"] = behaviour
    refused(dataset(f"{web.base}/thing.txt"), folder, f"(?i){FAILURES[behaviour]}", again=True)


def test_a_redirect_from_https_to_http_is_refused():
    response = requests.Response()  # the loopback has no certificate
    response.url, response.status_code, response.headers["location"] = "https://a.org/x", 302, "http://a.org/x"
    with pytest.raises(downloads.FetchError, match=r"redirects from https to http://a\.org/x"):
        downloads._check_redirect(response)


@pytest.mark.parametrize("begun", [b"", GOOD[:5000]], ids=["before-the-answer", "in-the-middle"])
def test_a_server_that_falls_silent_is_given_up(web, folder, begun):
    silence = threading.Event()

    def stall(handler):
        if begun:
            answer(handler, begun, Content_Length=len(GOOD))
            handler.wfile.flush()
        silence.wait(20)

    web.behaviours["/thing.txt"] = stall
    start = time.monotonic()
    refused(dataset(f"{web.base}/thing.txt"), folder, "stalled: nothing came for 0.3 s", timeout=0.3)
    silence.set()
    assert time.monotonic() - start < 5


def test_a_server_that_is_off_is_named(web, folder):
    address = f"{web.base}/thing.txt"
    web.shutdown()
    web.server_close()
    refused(dataset(address), folder, f"{address}: cannot be reached")


def test_the_next_address_is_tried(web, folder):
    web.behaviours["/first"] = wrong
    assert fetch(dataset(f"{web.base}/first", web.put("second", GOOD)), folder).status == "ok"


def test_when_all_addresses_fail_each_is_named(web, folder):
    web.behaviours["/first"] = wrong
    refused(dataset(f"{web.base}/first", f"{web.base}/second"), folder, r"/first: expected.*/second: answered 404")


def test_a_disk_that_is_full_is_reported(web, folder):
    resource = pytest.importorskip("resource")
    entry = dataset(web.put("thing.txt", GOOD))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))  # a write past it fails as one on a full disk does
    try:
        refused(entry, folder, "cannot write things/thing.txt .* make room there")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_too_small_a_disk_is_noticed_beforehand(folder):
    refused(dataset("http://127.0.0.1:9/x", size=10**18), folder, "needs .* bytes free and has")


# Where no hash is published.


def test_the_first_download_is_kept_and_enforced(web, folder):
    entry = dataset(web.put("thing.txt", GOOD), published=False)
    fetch(entry, folder)
    web.put("thing.txt", GOOD + b"more")
    refused(entry, folder, "kept in fetched.json from the first download", again=True)


def test_a_page_instead_of_weights_is_never_kept(web, folder):
    entry = dataset(web.put("w.h5", b"<html>Please log in</html>"), path="weights/w.h5", published=False)
    refused(entry, folder, "expected w.h5 to be a .h5 file; it begins with b'<html>")


# Archives.


def test_images_are_unpacked_into_the_course_layout(web, folder):
    archive = zipped([*PETS, ("__MACOSX/pets/readme", b"no image")])
    fetch(photographs(web.put("pets.zip", archive), archive), folder)
    assert contents(folder / "pets") == {"cat/1.jpg": JPEG + b"cat", "dog/1.jpg": JPEG + b"dog"}


def test_a_folder_is_replaced_as_a_whole(web, folder):
    archive = zipped(PETS)
    entry = photographs(web.put("pets.zip", archive), archive)
    fetch(entry, folder)
    (folder / "pets/cat/stray.jpg").write_bytes(JPEG)
    fetch(entry, folder, again=True)
    assert not (folder / "pets/cat/stray.jpg").exists()


def link(name, kind=stat.S_IFLNK):
    member = zipfile.ZipInfo(name)
    member.external_attr = (kind | 0o777) << 16
    return member


def tar_member(name, kind=tarfile.REGTYPE, target=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


MALICIOUS = {
    "zip-parent": zipped([*PETS, ("../outside.jpg", JPEG)]),
    "zip-parent-in-place": zipped([*PETS, ("../../train/cats/2.jpg", JPEG)]),
    "zip-absolute": zipped([*PETS, ("/tmp/outside.jpg", JPEG)]),
    "zip-backslash": zipped([*PETS, ("..\\outside.jpg", JPEG)]),
    "zip-drive": zipped([*PETS, ("C:outside.jpg", JPEG)]),
    "zip-link": zipped([*PETS, (link("pets/train/cats/2.jpg"), b"/etc/passwd")]),
    "zip-device": zipped([*PETS, (link("pets/train/cats/2.jpg", stat.S_IFCHR), b"")]),
    "tar-parent": tarred((tar_member("../outside.jpg"), JPEG)),
    "tar-absolute": tarred((tar_member("/tmp/outside.jpg"), JPEG)),
    "tar-link": tarred((tar_member("pets/train/cats/2.jpg", tarfile.SYMTYPE, "/etc/passwd"), b"")),
    "tar-hard-link": tarred((tar_member("pets/train/cats/2.jpg", tarfile.LNKTYPE, "/etc/passwd"), b"")),
    "tar-device": tarred((tar_member("pets/train/cats/2.jpg", tarfile.CHRTYPE), b"")),
    "tar-pipe": tarred((tar_member("pets/train/cats/2.jpg", tarfile.FIFOTYPE), b"")),
}


@pytest.mark.parametrize("archive", MALICIOUS.values(), ids=MALICIOUS)
def test_an_archive_that_leads_out_of_its_folder_is_refused(web, folder, archive):
    good = zipped(PETS)
    fetch(photographs(web.put("good.zip", good), good), folder)
    refused(photographs(web.put("pets.zip", archive), archive), folder, "the archive is unsafe", again=True)
    assert not (folder.parent / "outside.jpg").exists()


BOMB = JPEG + bytes(4 * 2**20)
SWELLING = {
    "zip": zipped([("pets/train/cats/2.jpg", BOMB)]),
    "tar": tarred((tar_member("pets/train/cats/2.jpg"), BOMB)),
    "tar-beside-the-images": tarred((tar_member("readme"), BOMB), *((tar_member(name), JPEG) for name, _ in PETS)),
}


@pytest.mark.parametrize("archive", SWELLING.values(), ids=SWELLING)
def test_an_archive_that_swells_is_refused(web, folder, archive):
    refused(photographs(web.put("pets.zip", archive), archive), folder, "holds more than the .* bytes expected")


def test_an_archive_of_countless_members_is_refused(web, folder):
    archive = zipped((f"{number}.txt", b"") for number in range(1100))
    refused(photographs(web.put("pets.zip", archive), archive), folder, "more than the 1,020 members")


def test_a_damaged_archive_is_refused(web, folder):
    archive = bytearray(zipped([(name, os.urandom(500)) for name, _ in PETS]))
    archive[100] ^= 0xFF
    refused(photographs(web.put("pets.zip", bytes(archive)), bytes(archive)), folder, "damaged or encrypted")


def test_a_truncated_archive_without_a_published_hash_is_refused(web, folder):
    archive = tarred(*((tar_member(name), os.urandom(5000)) for name, _ in PETS))[:6000]
    entry = photographs(web.put("pets.tgz", archive), archive, published=False, size=20_000)
    refused(entry, folder, "damaged or encrypted")


def test_an_archive_with_too_few_images_is_refused(web, folder):
    archive = zipped(PETS[:1])
    refused(photographs(web.put("pets.zip", archive), archive), folder, "expected 2 images under cat, dog; got 1")


def test_a_page_instead_of_an_archive_is_refused(web, folder):
    entry = photographs(web.put("pets.zip", b"<html>Please log in</html>"), b"", published=False)
    refused(entry, folder, r"expected a \.zip or \.tar archive, got a file that begins with b'<html>")


def test_an_archive_at_hand_can_be_named(folder, tmp_path):
    archive = tmp_path / "pets.zip"
    archive.write_bytes(zipped([*PETS, (f"again/{PETS[0][0]}", PETS[0][1])]))  # Kaggle's holds everything twice
    fetch(photographs("http://127.0.0.1:9/x", b"", published=False), folder, archive=archive)
    assert sorted(contents(folder)) == ["fetched.json", "pets/cat/1.jpg", "pets/dog/1.jpg"]


def test_an_archive_at_hand_must_have_the_published_hash(folder, tmp_path):
    archive = tmp_path / "pets.zip"
    archive.write_bytes(zipped(PETS))
    refused(photographs("http://127.0.0.1:9/x", b"another"), folder, "expected sha256:.*; got sha256:", archive=archive)


# Pickles are converted once.


def test_the_reviews_become_flat_arrays(web, folder):
    reviews = np.empty(2, object)
    reviews[:] = [[5, 3], [7, 8, 9]]
    stream = io.BytesIO()
    np.savez(stream, x_train=reviews, y_train=np.array([0, 1]), x_test=reviews[1:], y_test=np.array([1]))
    address = web.put("imdb.npz", stream.getvalue())
    fetch(dataset(address, path="imdb/reviews.npz", content=stream.getvalue(), convert="imdb"), folder)
    with np.load(folder / "imdb/reviews.npz", allow_pickle=False) as arrays:
        assert arrays["tokens_train"].tolist() == [5, 3, 7, 8, 9]
        assert arrays["offsets_train"].tolist() == [0, 2, 5]
        assert arrays["labels_train"].tolist() == [0, 1]


CIFAR = {"path": "cifar10/cifar10.npz", "convert": "cifar10", "size": 40_000,
         "unpack": ((r"(?:^|/)((?:data_batch_\d|test_batch))$", r"\1"),)}  # fmt: skip


def test_the_batches_of_cifar10_become_images_with_the_colour_last(web, folder):
    pixels = np.arange(2 * 3072, dtype="uint64").astype("uint8").reshape(2, 3072)
    batch = pickle.dumps({b"data": pixels, b"labels": [3, 9]}, protocol=4)
    names = [f"cifar-10-batches-py/{name}" for name in ("data_batch_1", "data_batch_2", "test_batch", "readme.html")]
    archive = tarred(*((tar_member(name), batch) for name in names))
    fetch(dataset(web.put("cifar.tar.gz", archive), content=archive, **CIFAR), folder)
    with np.load(folder / "cifar10/cifar10.npz", allow_pickle=False) as arrays:
        assert arrays["x_train"].shape == (4, 32, 32, 3)
        assert arrays["y_train"].tolist() == [[3], [9], [3], [9]]
        np.testing.assert_array_equal(arrays["x_test"][1, :, :, 2].ravel(), pixels[1, 2048:])


class Command:
    def __reduce__(self):
        return os.system, ("touch pickle-was-run",)


def test_a_pickle_that_names_a_function_is_refused(web, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    archive = tarred((tar_member("data_batch_1"), pickle.dumps(Command())))
    entry = dataset(web.put("cifar.tar.gz", archive), content=archive, **CIFAR)
    refused(entry, folder, "the pickle names .*system, which no array needs")
    assert not (tmp_path / "pickle-was-run").exists()


def test_arrays_of_another_shape_are_refused(web, folder):
    stream = io.BytesIO()
    np.savez(stream, x_train=np.zeros((3, 2), "uint8"))
    entry = dataset(web.put("a.npz", stream.getvalue()), path="a.npz", content=stream.getvalue(),
                    arrays={"x_train": ["uint8", 3, 4]})  # fmt: skip
    refused(entry, folder, r"expected a.npz to hold x_train of \('uint8', 3, 4\); got \('uint8', 3, 2\)")


# A classroom mirror: any static server over a data folder.


def test_everything_comes_from_the_mirror(web, folder, monkeypatch):
    web.put("things/thing.txt", GOOD)
    monkeypatch.setenv("DLCOURSE_MIRROR", web.base + "/")
    assert fetch(dataset("http://127.0.0.1:9/never"), folder).status == "ok"


def test_the_mirror_must_serve_the_published_bytes(web, folder, monkeypatch):
    web.put("things/thing.txt", b"another")
    monkeypatch.setenv("DLCOURSE_MIRROR", web.base)
    refused(dataset(f"{web.base}/never"), folder, "expected sha256:.*found sha256:")


def test_the_mirror_may_serve_a_known_variant(web, folder, monkeypatch):
    web.put("things/thing.txt", b"another")
    monkeypatch.setenv("DLCOURSE_MIRROR", web.base)
    status = fetch(dataset("http://127.0.0.1:9/never", variants={sha256(b"another"): "a shorter one"}), folder)
    assert (status.status, status.detail) == ("variant", "a shorter one")


def test_a_folder_comes_from_the_listings_of_the_mirror(web, folder, monkeypatch):
    for name in ("cat/a b&c.jpg", "cat/1.jpg", "dog/2.jpg", "dog/.hidden.jpg", "dog/readme.txt"):
        web.put(f"pets/{name}", JPEG)
    monkeypatch.setenv("DLCOURSE_MIRROR", web.base)
    fetch(photographs("http://127.0.0.1:9/never", b""), folder)
    assert sorted(contents(folder)) == ["fetched.json", "pets/cat/1.jpg", "pets/cat/a b&c.jpg", "pets/dog/2.jpg"]


def test_a_listing_cannot_lead_out_of_the_folder(web, folder, monkeypatch):
    links = "".join(f'<a href="{name}">' for name in ("..%2F..%2Fout.jpg", "%2Ftmp%2Fout.jpg", "..\\out.jpg", "1.jpg"))
    web.put("pets/cat/1.jpg", JPEG)
    web.put("pets/dog/1.jpg", JPEG)
    web.behaviours["/pets/cat/"] = lambda handler: answer(handler, links.encode())
    monkeypatch.setenv("DLCOURSE_MIRROR", web.base)
    fetch(photographs("http://127.0.0.1:9/never", b""), folder)
    assert sorted(contents(folder.parent)) == [
        "data/fetched.json", "data/pets/cat/1.jpg", "data/pets/dog/1.jpg", "web/pets/cat/1.jpg", "web/pets/dog/1.jpg",
    ]  # fmt: skip


def test_one_bad_image_on_the_mirror_spoils_the_folder(web, folder, monkeypatch):
    web.put("pets/cat/1.jpg", JPEG)
    web.put("pets/dog/1.jpg", JPEG)
    web.behaviours["/pets/dog/1.jpg"] = page
    monkeypatch.setenv("DLCOURSE_MIRROR", web.base)
    refused(photographs("http://127.0.0.1:9/never", b""), folder, "expected 1.jpg to be a .jpg file")


def test_a_folder_that_changed_on_the_mirror_is_refused(web, folder, monkeypatch):
    web.put("pets/cat/1.jpg", JPEG)
    web.put("pets/dog/1.jpg", JPEG)
    monkeypatch.setenv("DLCOURSE_MIRROR", web.base)
    entry = photographs("http://127.0.0.1:9/never", b"")
    fetch(entry, folder)
    web.put("pets/dog/1.jpg", JPEG + b"another")
    refused(entry, folder, "expected tree:.*found tree:", again=True)


@pytest.mark.parametrize("base", ["file:///tmp", "ftp://teacher", "teacher:8000", "http://"])
def test_a_mirror_that_is_no_web_address_is_refused(folder, monkeypatch, base):
    monkeypatch.setenv("DLCOURSE_MIRROR", base)
    refused(dataset("http://127.0.0.1:9/never"), folder, "DLCOURSE_MIRROR must be an address such as")


# What lies there.


@pytest.mark.parametrize(
    ("content", "variants", "status"),
    [(GOOD, {}, "ok"), (b"x", {}, "changed"), (b"x", {sha256(b"x"): "short"}, "variant"), (None, {}, "missing")],
)
def test_verify_tells_originals_variants_changes_and_gaps(folder, content, variants, status):
    if content is not None:
        (folder / "things").mkdir(parents=True)
        (folder / "things/thing.txt").write_bytes(content)
    [found] = catalogue.verify([dataset("http://127.0.0.1:9/x", variants=variants)], folder)
    assert found.status == status


def test_verify_calls_weights_it_does_not_know_unknown(folder):
    (folder / "weights").mkdir(parents=True)
    (folder / "weights/w.h5").write_bytes(b"\x89HDF own")
    [found] = catalogue.verify([dataset("http://127.0.0.1:9/x", path="weights/w.h5", published=False)], folder)
    assert found.status == "unknown"
    assert "unknown weights" in found.detail
    assert catalogue.weights_label(folder / "weights/w.h5") == "unknown weights"


def test_verify_knows_an_unpacked_folder_again_and_sees_it_change(web, folder):
    archive = zipped(PETS)
    entry = photographs(web.put("pets.zip", archive), archive, published=False)
    fetch(entry, folder)
    assert catalogue.verify([entry], folder)[0].status == "ok"
    (folder / "pets/cat/1.jpg").write_bytes(JPEG)
    assert catalogue.verify([entry], folder)[0].status == "changed"


def test_an_empty_folder_counts_as_missing(folder):
    (folder / "pets/cat").mkdir(parents=True)
    assert catalogue.verify([photographs("http://127.0.0.1:9/x", b"")], folder)[0].status == "missing"


def test_verify_never_unpickles(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder.mkdir()
    np.savez(folder / "a.npz", x=np.array([Command()], object))
    [found] = catalogue.verify([dataset("http://127.0.0.1:9/x", path="a.npz", variants={"arrays:0": ""})], folder)
    assert (found.status, "plain arrays" in found.detail) == ("changed", True)
    assert not (tmp_path / "pickle-was-run").exists()


def test_the_digest_of_arrays_does_not_depend_on_the_container(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(5), y=np.ones(3))
    np.savez_compressed(tmp_path / "b.npz", y=np.ones(3), x=np.arange(5))
    assert catalogue.digest(tmp_path / "a.npz", "arrays") == catalogue.digest(tmp_path / "b.npz", "arrays")


@pytest.mark.real_data
def test_the_real_data_is_the_original_or_a_named_variant(real_data):
    found = [status for status in catalogue.verify(folder=real_data) if status.status != "missing"]
    assert {status.status for status in found} <= {"ok", "variant"}


# The catalogue itself and its commands.


@pytest.mark.parametrize("entry", catalogue.DATASETS.values(), ids=catalogue.DATASETS)
def test_every_entry_is_complete(entry):
    assert all(getattr(entry, field.name) for field in dataclasses.fields(entry))
    for item in entry.items:
        assert not item.path.startswith(("/", "."))
        for source in item.sources:
            assert all(address.startswith("https://") for address in source.addresses)
            algorithm, _, digits = source.digest.partition(":")
            assert len(digits) == {"": 0, "md5": 32, "sha1": 40, "sha256": 64}[algorithm]


def command(*words):
    parser = argparse.ArgumentParser()
    fetching.add_arguments(parser)
    return fetching.main(parser.parse_args(words))


def test_list_names_every_dataset_with_its_licence(folder, monkeypatch, capsys):
    monkeypatch.setenv("DLCOURSE_DATA", str(folder))
    assert command("list") == 0
    output = capsys.readouterr().out
    assert all(entry.name in output and entry.licence in output for entry in catalogue.DATASETS.values())


def test_fetch_shows_the_licence_and_goes_on_after_a_failure(web, folder, monkeypatch, capsys):
    monkeypatch.setenv("DLCOURSE_DATA", str(folder))
    monkeypatch.setenv("DLCOURSE_MIRROR", web.base)
    assert command("fetch", "glove", "emojify") == 1
    output = capsys.readouterr()
    assert "Licence: PDDL 1.0" in output.out
    assert len([line for line in output.err.splitlines() if "answered 404" in line]) == 2


def test_verify_by_name_fails_on_a_gap(folder, monkeypatch, capsys):
    monkeypatch.setenv("DLCOURSE_DATA", str(folder))
    assert command("verify") == 0
    assert command("verify", "mnist") == 1
    assert "missing  mnist/mnist.npz" in capsys.readouterr().out


def test_an_unknown_name_is_answered_with_the_names_there_are(capsys):
    assert command("fetch", "mnits") == 1
    assert "no dataset 'mnits'; there are mnist, cifar10" in capsys.readouterr().err


def test_the_readme_names_every_dataset_with_its_licence():
    readme = (paths.ROOT / "data" / "README.md").read_text("utf-8")
    for entry in catalogue.DATASETS.values():
        assert f"| [{entry.name}]({entry.page}) | {entry.licence} | {entry.citation} |" in readme


def test_the_catalogue_does_not_import_tensorflow():
    code = "import sys; from dlcourse import fetching; print({'tensorflow', 'keras'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
