"""What every request passes through: a limit on its body, and a line in the log that does not hold its content."""

import json
import logging
import time
from datetime import UTC, datetime

from starlette.responses import JSONResponse

log = logging.getLogger("dlcourse.service")

LARGEST_CALL = 2_000_000  # bytes: the longest batch of the longest texts fits, even if every character is escaped


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON; the fields of `extra={"fields": {...}}` stand beside its message."""

    def format(self, record: logging.LogRecord) -> str:
        """A JSON object: time, level, event and the fields."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": moment, "level": record.levelname.lower(), "event": record.getMessage()}
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class Gate:
    """ASGI middleware: refuses bodies that are too large with 413, and logs every request when it is answered.

    A body is taken in whole before the application sees it, so that nothing half-read stays behind. The log names the
    route and never the path, query or text, which may hold something private.

    Args:
        app: the application behind it.
        page: the path of the demo page, which has a limit of its own.
    """

    def __init__(self, app, page: str):
        self.app, self.page = app, page

    async def __call__(self, scope, receive, send):
        """Pass one request on."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started, status = time.perf_counter(), 500
        on_page = scope["path"] == self.page or scope["path"].startswith(self.page + "/")

        async def noting(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if scope["method"] not in ("GET", "HEAD", "OPTIONS") and not on_page:
                body, receive = await whole_body(scope, receive, LARGEST_CALL)
                if body is None:
                    refusal = {"detail": f"expected at most {LARGEST_CALL:,} bytes; got more: send less at once"}
                    return await JSONResponse(refusal, 413)(scope, receive, noting)
            await self.app(scope, receive, noting)
        finally:
            route = "page" if on_page else getattr(scope.get("route"), "path", "none")
            fields = {"method": scope["method"], "route": route, "status": status}
            fields |= {"ms": round(1000 * (time.perf_counter() - started), 1), **scope.get("state", {}).get("log", {})}
            log.info("request", extra={"fields": fields})


async def whole_body(scope, receive, largest: int):
    """Take in a request's body before anything is done with it.

    What is too large is read to its end all the same, or to ten times the limit, and thrown away: a client that is
    still sending does not listen to the answer.

    Args:
        scope, receive: of the ASGI request.
        largest: bytes.

    Returns:
        The body, or None if it is larger; and a `receive` that gives it once more.
    """
    parts, length, more = [], 0, True
    while more and length <= 10 * largest:
        message = await receive()
        more = message.get("more_body", False)  # a disconnect has none
        length += len(message.get("body", b""))
        parts = [*parts, message.get("body", b"")] if length <= largest else []
    body = b"".join(parts) if length <= largest else None
    waiting = [{"type": "http.request", "body": body or b"", "more_body": False}]

    async def again():
        return waiting.pop() if waiting else await receive()

    return body, again
