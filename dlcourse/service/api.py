"""The REST API of the Emojify models: health, one text, a batch of texts."""

from typing import Annotated

from fastapi import Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from dlcourse import __version__
from dlcourse.service.emojify import NothingKnownError, UnknownVersionError, Versions
from dlcourse.service.gate import Gate

MOST_CHARACTERS = 500
MOST_TEXTS = 256
PAGE = "/demo"

# Control characters other than tab and line ends have no place in a sentence.
_PRINTABLE = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
Text = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS, pattern=_PRINTABLE, examples=["I love you"])]
_AN_ANSWER = {
    "text": "I love you",
    "emoji": "❤️",
    "emoji_meaning": "love",
    "confidence": 0.95,
    "all_predictions": {"❤️": 0.95, "😊": 0.03, "😞": 0.01, "🍽️": 0.006, "⚾️": 0.004},
    "unknown_words": [],
    "model_version": "emojify_lstm-655894f2",
}


class Health(BaseModel):
    """How the service is."""

    status: str = Field(examples=["healthy"])
    model_version: str = Field(description="what answers by default: the newest", examples=["emojify_lstm-655894f2"])
    trained_on: str = Field(description='"real" sentences, or this course\'s own, "sample"', examples=["sample"])
    versions: list[str] = Field(description="all that can be asked for, the newest first")


class Sentence(BaseModel):
    """A text, and optionally which model is to answer."""

    model_config = ConfigDict(extra="forbid")
    text: Text
    model_version: str | None = Field(None, description="one of the versions that /health lists; default: the newest")


class Answer(BaseModel):
    """What a model makes of a text."""

    model_config = ConfigDict(json_schema_extra={"examples": [_AN_ANSWER]})
    text: str
    emoji: str
    emoji_meaning: str
    confidence: float = Field(description="probability of the emoji")
    all_predictions: dict[str, float] = Field(description="probability of every emoji, the likeliest first; sum 1")
    unknown_words: list[str] = Field(description="words of the text that the model does not know and left out")
    model_version: str


class Problem(BaseModel):
    """Why a request was refused, in one sentence."""

    detail: str


def create(versions: Versions):
    """The application, without the demo page.

    Args:
        versions: the models that answer.

    Returns:
        A FastAPI application with `/health`, `/predict`, `/predict/batch` and, without any call to outside, `/docs`.
    """
    app = FastAPIOffline(
        redoc_url=None,
        title="Emojify",
        version=__version__,
        description="Which emoji fits a sentence? The model of lesson 13 of dlcourse. The first ten known words count.",
    )
    # Allowing no origin: without this, the page mounted later would allow them all.
    app.add_middleware(CORSMiddleware, allow_origins=[])
    app.add_middleware(Gate, page=PAGE)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(NothingKnownError, lambda _, error: _problem(422, str(error)))
    app.add_exception_handler(UnknownVersionError, lambda _, error: _problem(404, str(error)))
    refusals = {
        400: {"model": Problem, "description": "The body is not JSON"},
        404: {"model": Problem, "description": "No such model version"},
        413: {"model": Problem, "description": "The body is too large"},
        422: {"model": Problem, "description": "A text that cannot be answered, or a body of another form"},
    }

    @app.get("/", include_in_schema=False)
    def start():
        """The page is what a browser wants to see."""
        return RedirectResponse(f"{PAGE}/")

    @app.get("/favicon.ico", include_in_schema=False)
    def icon():
        """What a browser asks for beside any address."""
        return RedirectResponse(f"{PAGE}/favicon.ico")

    @app.get("/health")
    def health() -> Health:
        """Whether the service runs, with which model, trained on what."""
        newest = versions.newest
        trained_on = newest.card["provenance"].get("source", "unknown")
        return Health(
            status="healthy", model_version=newest.version, trained_on=trained_on, versions=list(versions.models)
        )

    @app.post("/predict", responses=refusals)
    def predict(sentence: Sentence, request: Request) -> Answer:
        """The emoji that fits a text, and the probability of each."""
        return answered([sentence.text], sentence.model_version, request)[0]

    @app.post("/predict/batch", responses=refusals)
    def predict_batch(
        texts: Annotated[list[Text], Field(min_length=1, max_length=MOST_TEXTS, examples=[["I love you", "I am sad"]])],
        request: Request,
        model_version: Annotated[str | None, Query(description="as in /predict")] = None,
    ) -> list[Answer]:
        """The same for a list of texts, in their order and in one call of the network."""
        return answered(texts, model_version, request)

    def answered(texts: list[str], version: str | None, request: Request) -> list[Answer]:
        """Choose the model, note for the log which, and ask it"""
        model = versions.choose(version)
        request.state.log = {"model_version": model.version, "texts": len(texts)}
        found = zip(texts, model.answers(texts), strict=True)
        return [Answer(text=text, model_version=model.version, **answer) for text, answer in found]

    return app


def _problem(status: int, detail: str, headers=None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)


def _refused(_, error: HTTPException) -> JSONResponse:
    sentences = {
        400: 'expected a body of JSON, such as {"text": "I love you"}; this one cannot be read',
        404: "there is nothing at this address; /docs lists what there is",
        405: "this address is not asked in this way; /docs says how",
    }
    return _problem(error.status_code, sentences.get(error.status_code, str(error.detail)), error.headers)


def _invalid(_, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return _refused(_, HTTPException(400))
    where = ".".join(str(part) for part in first["loc"] if part != "body") or "body"
    if first["type"] == "string_pattern_mismatch":
        wrong = "expected no control characters"
    elif first["type"] == "string_unicode":
        wrong = "expected text that is valid Unicode"
    else:
        wrong = first["msg"][0].lower() + first["msg"][1:]
    return _problem(422, f"{where[:80]}: {wrong}; got {_in_words(first.get('input'))}")


def _in_words(value) -> str:
    """What came, without repeating it"""
    if isinstance(value, str):
        return f"{len(value):,} characters"
    if isinstance(value, list):
        return f"a list of {len(value):,}"
    kinds = {dict: "an object", bool: "true or false", int: "a number", float: "a number", type(None): "nothing"}
    return kinds.get(type(value), "something else")
