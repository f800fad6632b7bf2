"""Starting the service: the models, one application for API and page, uvicorn."""

import logging
import os
import signal
import sys
import tempfile

from dlcourse import paths


def add_arguments(parser) -> None:
    """The options of ``python -m dlcourse serve``; the environment gives their defaults (``DLCOURSE_SERVE_…``)."""

    def default(name, otherwise):
        return os.environ.get(f"DLCOURSE_SERVE_{name}") or otherwise

    parser.add_argument("--host", default=default("HOST", "127.0.0.1"), help="address to listen on; 0.0.0.0: any")
    parser.add_argument("--port", type=int, default=default("PORT", "7860"))
    parser.add_argument(
        "--share", default=default("SHARE", ""), metavar="VERSION=FRACTION",
        help="an A/B test: this model version answers that share of the requests that name none",
    )  # fmt: skip


def main(options) -> int:
    """Serve until told to stop; returns the exit status, 2 if the service could not be started."""
    # uvicorn finishes what is in flight, and then lets the signal do what it did before: end the process at once.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="dlcourse service ") as folder:
        # Gradio reads both when it is imported. The folder is for what it keeps; this page gives it nothing to keep.
        os.environ |= {"GRADIO_TEMP_DIR": folder, "GRADIO_ANALYTICS_ENABLED": "False"}
        try:
            import uvicorn

            from dlcourse.checkpoints import CheckpointError
            from dlcourse.service import api, page  # noqa: F401
        except ImportError as error:
            print(f"the service needs {error.name}: `pip install --editable '.[serve]'` in its folder", file=sys.stderr)
            return 2
        _log_json_lines()
        try:
            app = application(_share(options.share))
        except (CheckpointError, LookupError, ValueError, OSError) as error:
            print(f"the service does not start: {error}", file=sys.stderr)
            return 2
        server = uvicorn.Server(
            uvicorn.Config(
                app, options.host, options.port, log_config=None, access_log=False, timeout_graceful_shutdown=5
            )
        )
        try:
            server.run()
        except SystemExit:
            if not server.started:  # the port is taken, as the log says
                return 2
            raise
    return 0


def application(share: tuple[str, float] | None = None):
    """The API and the page; without any Emojify model a first one is trained, which takes seconds.

    Args:
        share: as in :class:`emojify.Versions`.

    Raises:
        checkpoints.CheckpointError: if a model is unfit.
    """
    from dlcourse.service import api, emojify, page

    folder = paths.models()
    if not emojify.files(folder):
        from dlcourse.service import first_model

        logging.getLogger(__name__).info("no Emojify model yet: training a first one, in less than a minute")
        first_model.train(folder, os.environ.get("DLCOURSE_SOURCE") or "auto")
    versions = emojify.Versions(folder, share)
    return page.mount(api.create(versions), versions)


def _share(text: str) -> tuple[str, float] | None:
    if not text:
        return None
    version, _, fraction = text.rpartition("=")
    try:
        return version, float(fraction)
    except ValueError:
        raise ValueError(f"expected VERSION=FRACTION, such as emojify_lstm-655894f2=0.1; got {text!r}") from None


def _log_json_lines() -> None:
    from dlcourse.service.gate import JsonLines

    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore", "absl", "tensorflow"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
