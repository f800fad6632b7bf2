"""One address to one file: no more bytes than expected, no silent server, no downgrading redirect."""

import urllib.parse
from pathlib import Path

import pooch
import requests
import urllib3

# A browser's name, since some publishers refuse others; and no recoding on the way, which would change the hash.
HEADERS = {"User-Agent": "Mozilla/5.0 (compatible; dlcourse)", "Accept-Encoding": "identity"}


class FetchError(RuntimeError):
    """A dataset could not be fetched; the message is one line: what was expected, what came, what to do."""


class _Bounded:
    """A file to write to that refuses to grow past its limit."""

    def __init__(self, file, limit: int, address: str):
        self.file, self.limit, self.address, self.written = file, limit, address, 0

    def write(self, chunk: bytes) -> None:
        self.written += len(chunk)
        if self.written > self.limit:
            raise FetchError(f"{self.address}: sends more than the {self.limit:,} bytes expected at most")
        self.file.write(chunk)

    def flush(self) -> None:
        self.file.flush()


def _check_redirect(response: requests.Response, **_) -> None:
    target = urllib.parse.urljoin(response.url, response.headers.get("location", ""))
    scheme, earlier = urllib.parse.urlsplit(target).scheme, urllib.parse.urlsplit(response.url).scheme
    if response.is_redirect and (scheme not in ("http", "https") or (earlier, scheme) == ("https", "http")):
        raise FetchError(f"{response.url}: redirects from {earlier} to {target}, which is not followed")


def download(address: str, target: Path, *, limit: int, timeout: float, progress: bool) -> None:
    """Write what an address serves to a file.

    Args:
        address: http or https.
        target: the file; after an error it holds what came until then.
        limit: the most bytes to accept.
        timeout: seconds without an answer or a byte after which the address is given up.
        progress: show a progress bar on standard error.

    Raises:
        FetchError: if it cannot be reached, answers with an error, breaks off, stalls, or sends more than `limit`.
    """
    options = {"timeout": timeout, "headers": HEADERS, "hooks": {"response": _check_redirect}}
    with open(target, "wb") as file:
        bounded = _Bounded(file, limit, address)
        try:
            pooch.HTTPDownloader(progressbar=progress, chunk_size=2**16, **options)(address, bounded, None)
            return
        except (requests.RequestException, ValueError) as error:  # ValueError: a length that is no number
            cause = error.args[0] if error.args else None
            if isinstance(error, requests.HTTPError):
                reason = f"answered {error.response.status_code} {error.response.reason}"
            elif isinstance(error, requests.Timeout) or isinstance(cause, urllib3.exceptions.ReadTimeoutError):
                reason = f"stalled: nothing came for {timeout:g} s after {bounded.written:,} bytes"
            elif isinstance(error, requests.exceptions.ChunkedEncodingError):
                reason = f"broke off after {bounded.written:,} bytes"
            elif isinstance(error, requests.ConnectionError):
                reason = "cannot be reached"
            else:
                reason = f"{type(error).__name__}: {error}"
            raise FetchError(f"{address}: {reason}") from error
