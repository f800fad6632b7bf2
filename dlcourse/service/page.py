"""The demo page: sentences and pictures to try the course's models with, in a browser."""

import base64
import html
import io
import json
import logging
import re

import gradio as gr
from pydantic import TypeAdapter
from starlette.middleware import Middleware
from starlette.responses import JSONResponse

from dlcourse import checkpoints, paths
from dlcourse.service import pictures
from dlcourse.service.api import PAGE, Text
from dlcourse.service.emojify import NothingKnownError, Versions
from dlcourse.service.gate import whole_body

log = logging.getLogger(__name__)
_TEXT = TypeAdapter(Text)  # what the API accepts as a text

# Fonts of the system: Gradio's own would be fetched from elsewhere.
THEME = gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
STYLE = """
.gradio-container { max-width: 860px !important; width: 100%; min-width: 0 !important; margin: auto; }
.gradio-container main { min-width: 0; }
.problem { color: #b3261e; font-weight: 600; }
.dark .problem { color: #ffb4ab; }
.seen { display: flex; flex-wrap: wrap; gap: 12px; }
.seen figure { margin: 0; flex: 1 1 130px; max-width: 320px; }
.seen img { width: 100%; border-radius: 8px; }
.seen figcaption { font-size: 0.9em; margin-top: 4px; }
"""
INPUT_STYLE = """
canvas { background: white; border: 1px solid #888; border-radius: 8px; touch-action: none; max-width: 100%; }
.row { display: flex; flex-wrap: wrap; gap: 6px; margin-top: 8px; align-items: center; }
button { border: 1px solid #888; border-radius: 6px; padding: 2px; cursor: pointer; background: transparent; }
button.word { padding: 4px 12px; }
button img { height: 64px; display: block; border-radius: 4px; }
button:focus-visible, input:focus-visible { outline: 3px solid #6366f1; outline-offset: 2px; }
"""
# In the browser: examples tell their number; a drawing or a file tells its pixels, made small enough to be sent.
CHOOSE = """
element.querySelectorAll('button[data-example]').forEach(button =>
  button.addEventListener('click', () => trigger('submit', {example: Number(button.dataset.example)})));
"""
DRAW = (
    """
const canvas = element.querySelector('canvas'), pen = canvas.getContext('2d');
const clear = () => { pen.fillStyle = 'white'; pen.fillRect(0, 0, canvas.width, canvas.height); };
const at = event => { const box = canvas.getBoundingClientRect(), scale = canvas.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale]; };
let drawing = false;
clear();
pen.lineWidth = 20; pen.lineCap = pen.lineJoin = 'round';
canvas.addEventListener('pointerdown', event => { drawing = true; canvas.setPointerCapture(event.pointerId);
  pen.beginPath(); pen.moveTo(...at(event)); pen.lineTo(...at(event)); pen.stroke(); });
canvas.addEventListener('pointermove', event => { if (drawing) { pen.lineTo(...at(event)); pen.stroke(); } });
canvas.addEventListener('pointerup', () => { drawing = false; trigger('submit', {picture: canvas.toDataURL()}); });
element.querySelector('.clear').addEventListener('click', clear);
"""
    + CHOOSE
)
UPLOAD = (
    """
element.querySelector('input').addEventListener('change', async event => {
  const file = event.target.files[0];
  if (!file) return;
  let picture = '';
  try {
    const bitmap = await createImageBitmap(file), scale = Math.min(1, 640 / Math.max(bitmap.width, bitmap.height));
    const canvas = document.createElement('canvas');
    canvas.width = Math.max(1, bitmap.width * scale); canvas.height = Math.max(1, bitmap.height * scale);
    const pen = canvas.getContext('2d');
    pen.fillStyle = 'white'; pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.imageSmoothingQuality = 'high';
    pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    picture = canvas.toDataURL('image/png');
  } catch (error) {}
  trigger('submit', {picture});
  event.target.value = '';
});
"""
    + CHOOSE
)
SENTENCES = ["I love you", "Let us play baseball", "I am not happy today", "Dinner is ready"]
NOT_FOR_DIAGNOSIS = "**Not for diagnosis.** This network is an exercise; it knows nothing about a patient."
LARGEST_QUESTION = 4_000_000  # bytes: a picture of 640 x 640 pixels in any case


def mount(app, versions: Versions):
    """Put the page into the application.

    Args:
        app: from `api.create`.
        versions: the Emojify models.

    Returns:
        The application.

    Raises:
        checkpoints.CheckpointError: if a model of pictures is there but damaged or changed.
    """
    with gr.Blocks(title="dlcourse: try the models", analytics_enabled=False) as blocks:
        gr.Markdown("# Try the models\nWhat the lessons of dlcourse have trained, in use.")
        with gr.Tab("Emojify"):
            _sentences(versions)
        for kind in pictures.KINDS:
            with gr.Tab(kind.title):
                _pictures(kind)
    blocks.has_launched = True  # which `launch` sets; only then does Gradio check where a file named in an input lies
    blocks.state_session_capacity = 16  # it keeps what it has last shown to so many visitors
    return gr.mount_gradio_app(
        app, blocks, PAGE, footer_links=[], run_history=False, ssr_mode=False, pwa=False, show_error=False,
        enable_monitoring=False, theme=THEME, css=STYLE, app_kwargs={"middleware": [Middleware(PageGate)]},
    )  # fmt: skip


class PageGate:
    """ASGI middleware that lets through only what this page needs of Gradio's many addresses.

    The others read, fetch or keep files, which this page does not use. For the same reason no input may be anything but
    plain text: Gradio takes an object in its place for a file to be copied or fetched.

    Args:
        app: Gradio's application, mounted at `PAGE`.
    """

    SEEN = re.compile(
        r"/?|/(config|theme\.css|favicon\.ico)/?|/(assets|static)/.*|"
        r"/gradio_api/(startup-events|app_id|info|queue/data|heartbeat/\w+)/?"
    )
    ASKED = re.compile(r"/gradio_api/(queue/join|reset|cancel)/?")

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        """Pass one request on, or refuse it."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        inside = scope["path"].removeprefix(PAGE)
        if scope["method"] in ("GET", "HEAD") and self.SEEN.fullmatch(inside):
            return await self.app(scope, receive, send)
        if scope["method"] != "POST" or not self.ASKED.fullmatch(inside):
            return await _refusal(404, "the page has nothing at this address")(scope, receive, send)
        body, receive = await whole_body(scope, receive, LARGEST_QUESTION)
        if body is None:
            return await _refusal(413, "the picture is too large")(scope, receive, send)
        try:
            inputs = json.loads(body).get("data", [])
            plain = isinstance(inputs, list) and all(isinstance(value, str | None) for value in inputs)
        except (ValueError, AttributeError, RecursionError):
            plain = False
        if not plain:
            return await _refusal(400, "expected inputs of plain text")(scope, receive, send)
        return await self.app(scope, receive, send)


def _refusal(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status)


def _sentences(versions: Versions) -> None:
    gr.Markdown("Which emoji fits your sentence? The network knows five, and reads the first ten words it knows.")
    sentence = gr.Textbox(label="Your sentence", placeholder=SENTENCES[0], max_length=500, autofocus=True)
    button = gr.Button("Which emoji?", variant="primary")
    bars = gr.Label(label="Probabilities", num_top_classes=5)
    note = gr.HTML()

    def ask(text: str):
        """The bars and a note for a sentence"""
        try:
            model = versions.choose()
            (answer,) = model.answers([_TEXT.validate_python(text)])
        except NothingKnownError as error:
            return None, _problem(error)
        except ValueError:
            return None, _problem("expected a sentence of at most 500 characters")
        meanings = dict(zip(model.card["emojis"], model.card["classes"], strict=True))
        unknown = ", ".join(answer["unknown_words"])
        left_out = f" It left out what it does not know: {unknown}." if unknown else ""
        named = {f"{emoji} {meanings[emoji]}": p for emoji, p in answer["all_predictions"].items()}
        return named, html.escape(f"Answered by {model.version}.{left_out}")

    gr.on([button.click, sentence.submit], ask, sentence, [bars, note], api_visibility="private")
    with gr.Row():
        for example in SENTENCES:
            choice = gr.Button(example, size="sm")
            choice.click(lambda example=example: example, None, sentence, api_visibility="private").then(
                ask, sentence, [bars, note], api_visibility="private"
            )


def _pictures(kind: pictures.Kind) -> None:
    path = paths.models() / f"{kind.file}.h5"
    if not path.exists() and not checkpoints.card_path(path).exists():
        gr.Markdown(f"There is no model to ask yet. Train it with `make {kind.lesson}`, then start the service again.")
        return
    model = pictures.PictureModel(path, kind.lesson, kind.prepare)
    made = model.card["provenance"]
    about = (
        f"A network of `{kind.lesson}`, trained on {made['data']}. The bright places are what spoke for its "
        "answer (Grad-CAM)."
    )
    if "threshold" in model.card:
        about += f" The lesson calls a child ill from {model.card['threshold']:.1%} on."
    gr.Markdown(about + (f" {NOT_FOR_DIAGNOSIS}" if kind.medical else ""))
    try:
        examples = kind.examples(made)
    except (FileNotFoundError, ValueError) as error:  # trained elsewhere, on data that is not here
        log.info("no examples for the tab %s: %s", kind.title, error)
        examples = []

    def ask(event: gr.EventData):
        """The bars and the two pictures, for an example or a picture from the browser; nothing of it is kept"""
        sent = event._data if isinstance(event._data, dict) else {}
        number = sent.get("example")
        try:
            known = isinstance(number, int) and 0 <= number < len(examples)
            picture = examples[number][0] if known else pictures.received(sent.get("picture"))
            seen = model.look(picture)
        except pictures.UnfitPictureError as error:
            return None, _problem(error)
        return seen.probabilities, _figures(seen, model.side)

    with gr.Row():
        with gr.Column():
            given = gr.HTML(
                html_template=_inputs(kind, examples), css_template=INPUT_STYLE,
                js_on_load=DRAW if kind.drawn else UPLOAD,
            )  # fmt: skip
        with gr.Column():
            bars = gr.Label(label="Probabilities", num_top_classes=3)
    result = gr.HTML()
    given.submit(ask, None, [bars, result], api_visibility="private")


def _inputs(kind: pictures.Kind, examples) -> str:
    if kind.drawn:
        own = (
            '<canvas width="280" height="280" role="img" aria-label="Draw a digit here"></canvas>'
            '<div class="row"><button class="word clear">Clear</button>Draw a digit; every stroke is answered.</div>'
        )
    else:
        own = '<label>Your picture (it is not kept) <input type="file" accept="image/*"></label>'
    choices = "".join(
        f'<button data-example="{number}" title="{label}">'
        f'<img src="{_address(picture, 96)}" alt="example {number + 1}: {label}"></button>'
        for number, (picture, label) in enumerate(examples)
    )
    return own + (
        f'<div class="row">Or one from the test set:</div><div class="row">{choices}</div>' if choices else ""
    )


def _problem(what) -> str:
    return f'<p class="problem" role="alert">{html.escape(str(what))}</p>'


def _figures(seen: pictures.Seen, side: int) -> str:
    said, p = max(seen.probabilities.items(), key=lambda item: item[1])
    captions = {
        f"what the network sees: {side} x {side} pixels": seen.picture,
        f"what spoke for “{said}” ({p:.0%})": seen.heat,
    }
    figures = "".join(
        f'<figure><img src="{_address(picture)}" alt="{html.escape(caption)}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        for caption, picture in captions.items()
    )
    return f'<div class="seen">{figures}</div>'


def _address(picture, side: int | None = None) -> str:
    """The picture itself as an address, so that nothing is left on the server; at most `side` pixels high."""
    out = io.BytesIO()
    if side:
        picture = picture.copy()
        picture.thumbnail((side, side))
    picture.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
