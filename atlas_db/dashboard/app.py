"""The web app: pages, the same pages as JSON, files and downloads. Read-only, on loopback, without outside files."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException as StarletteError
from starlette.middleware.trustedhost import TrustedHostMiddleware

from atlas_db.bom.collect import collect_contents
from atlas_db.bom.cyclonedx import write_bom
from atlas_db.cards.card_store import FOLDER
from atlas_db.compliance.notice import collect_notice
from atlas_db.core.errors import (
    AtlasError,
    InputError,
    ModelNotFoundError,
    QueryNotFoundError,
    StoreError,
    TimeLimitError,
    UsageError,
)
from atlas_db.core.safe_text import spreadsheet_row
from atlas_db.dashboard import questions, views
from atlas_db.dashboard.aggregates import Bundle
from atlas_db.dashboard.author_view import author_page
from atlas_db.dashboard.map.selection import MAX_SELECTED, POSITION_BYTES, decode_positions, selected_models
from atlas_db.dashboard.serving.app_state import AppState
from atlas_db.dashboard.serving.kept_answers import KeptAnswers
from atlas_db.dashboard.templating import Served, plotly_file, render
from atlas_db.export.table_files import write_parquet
from atlas_db.licenses.audit import AuditReport
from atlas_db.licenses.sarif import to_sarif
from atlas_db.lineage.traversal import properties_of

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
STATIC = Path(str(files("atlas_db.dashboard") / "static"))
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_ERROR: dict[str, Any] = {"content": {"text/html": {}, "application/json": {}}}
ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"description": "Invalid request", **_ERROR},
    404: {"description": "Not found", **_ERROR},
    503: {"description": "The store does not answer", **_ERROR},
}
"""Answers beside the wanted one, for the description of the interface."""
PAGE: dict[int | str, dict[str, Any]] = {200: {"description": "The page, or its content as JSON", **_ERROR}, **ERRORS}
MAX_PART = 40
"""Characters of a name that a page offers to search for."""
THREADS = 200
"""Answers that are made or waited for at once."""
MAX_OPENED = 20
"""Models that one picture unfolds, at most."""
Form = Annotated[Literal["html", "json"], Query(description="html, or json for the same page as JSON", alias="format")]
Text = Annotated[str, Query(max_length=500)]


def _finding_filters(
    verdict: Text = "",
    finding: Text = "",
    license: Text = "",
    child_license: Text = "",
    model: Text = "",
) -> dict[str, str]:
    values = (verdict, finding, license, child_license, model)
    return {name: value for name, value in zip(views.FILTERS, values, strict=True) if value}


FindingFilters = Annotated[dict[str, str], Depends(_finding_filters)]
"""Filters of findings, by name."""


def create_app(state: AppState) -> FastAPI:
    """Return the web app.

    Args:
        state: The store and its bundle.
    """
    app = FastAPI(
        lifespan=_many_threads,
        title="atlas-db",
        version=version("model-atlas-db"),
        description="Pages over the atlas; `?format=json` gives each page's content as JSON. Read-only.",
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(KeptAnswers, version=lambda: state.bundle.report["key"], seconds=state.poll_seconds)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK)

    @app.middleware("http")
    async def guard(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await go_on(request)
        response.headers.update(HEADERS)
        return response

    app.add_exception_handler(AtlasError, _on_error)
    app.add_exception_handler(StarletteError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_error)
    app.add_exception_handler(Exception, _on_crash)
    for make in (_bundle_pages, _store_pages, _question_pages, _downloads, _files):
        app.include_router(make(state))
    _describe_answers(app)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


@asynccontextmanager
async def _many_threads(_: FastAPI) -> AsyncIterator[None]:
    """Give each reader a thread. Pages that wait for their turn at the store keep no thread from files then."""
    to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield


def _describe_answers(app: FastAPI) -> None:
    """Take the answer 422 out of the description of the interface: what is invalid is answered with 400 here."""
    described = app.openapi()
    for path in described["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
    for unused in ("HTTPValidationError", "ValidationError"):
        described.get("components", {}).get("schemas", {}).pop(unused, None)


def _respond(request: Request, form: str, template: str, page: views.Page, title: str, current: str = "") -> Response:
    if form == "json":
        return JSONResponse(page)
    twin = str(request.url.include_query_params(format="json").replace(scheme="", netloc=""))
    return HTMLResponse(render(template, page, Served(), current=current, title=title, twin=twin))


def _is_ours(request: Request) -> bool:
    """Whether a query may run at once: another site that leads here may fill in a form, and not send it."""
    return request.headers.get("Sec-Fetch-Site") not in ("cross-site", "same-site")


async def _on_error(request: Request, error: Exception) -> Response:
    """Return a page with the error and its remedy; text of the request is escaped."""
    status, title, message, hint = _describe_error(error)
    missing = error if isinstance(error, ModelNotFoundError) else None
    page = {
        "message": message.rstrip("."),
        "hint": hint,
        "near": list(missing.near) if missing else [],
        "part": missing.model.rpartition("/")[2][:MAX_PART] if missing else "",
    }
    headers = error.headers if isinstance(error, StarletteError) else None  # such as the methods that are allowed
    if request.query_params.get("format") == "json":
        return JSONResponse({"error": title, "message": message, "hint": hint}, status, headers)
    return HTMLResponse(render("message", page, Served(), current="", title=title), status, headers)


async def _on_crash(request: Request, _: Exception) -> Response:
    """Return a page for an error that nothing foresaw. No middleware sees it, so the headers are set here."""
    response = await _on_error(request, AtlasError("this page could not be made", hint="The log has the reason"))
    response.headers.update(HEADERS)
    return response


def _describe_error(error: Exception) -> tuple[int, str, str, str]:
    match error:
        case TimeLimitError():
            return 503, "This took too long", error.message, error.hint
        case StoreError():
            return 503, "The store does not answer", error.message, error.hint
        case QueryNotFoundError():
            return 404, "Not found", error.message, error.hint
        case UsageError():
            return 400, "Invalid request", error.message, error.hint
        case InputError():
            return 404, "Not found", error.message, error.hint
        case AtlasError():
            return 500, "Something went wrong", error.message, error.hint
        case RequestValidationError():
            details = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
            return 400, "Invalid request", details, "Correct the address"
        case StarletteError():
            if allowed := (error.headers or {}).get("Allow"):
                return error.status_code, "Not allowed", "This address takes no such request", f"Use {allowed}"
            return error.status_code, "Not found", f"There is no such page ({error.detail})", "Look at the navigation"
        case _:
            raise error


def _bundle_pages(state: AppState) -> APIRouter:
    router = APIRouter(tags=["pages"], responses=PAGE, default_response_class=HTMLResponse)

    @router.get("/", summary="Map of all models")
    def atlas_map(request: Request, form: Form = "html") -> Response:
        return _respond(request, form, "map", views.map_page(state.bundle), "Map", "map")

    @router.get("/questions", summary="The shipped queries")
    def all_questions(request: Request, form: Form = "html") -> Response:
        return _respond(request, form, "questions", questions.questions_page(), "Questions", "questions")

    @router.get("/ecosystem", summary="The analysis as tables and figures")
    def ecosystem(request: Request, form: Form = "html") -> Response:
        return _respond(request, form, "ecosystem", views.ecosystem_page(state.bundle), "Ecosystem", "ecosystem")

    @router.get("/audit", summary="Verdicts and findings of the newest audit")
    def audit(
        request: Request,
        wanted: FindingFilters,
        page: Annotated[int, Query(ge=1, le=100_000)] = 1,
        form: Form = "html",
    ) -> Response:
        return _respond(request, form, "audit", views.audit_page(state.bundle, wanted, page), "Audit", "audit")

    @router.get("/quality", summary="Quality of completion, and contradicted edges")
    def quality(request: Request, form: Form = "html") -> Response:
        return _respond(request, form, "quality", views.quality_page(state.bundle), "Quality", "quality")

    return router


def _store_pages(state: AppState) -> APIRouter:
    router = APIRouter(tags=["pages"], responses=PAGE, default_response_class=HTMLResponse)

    @router.get("/models/{model:path}", summary="All data of a model")
    def model(
        request: Request,
        model: str,
        open: Text = "",
        wide: Text = "",
        form: Form = "html",
    ) -> Response:
        opened = [name for name in open.split(",") if name][:MAX_OPENED]
        bundle = state.bundle
        with state.store() as store:
            page = views.model_page(store, model, opened, wide, bundle)
        return _respond(request, form, "model", page, model)

    @router.get("/search", summary="Models whose id contains a text")
    def search(request: Request, q: Text = "", form: Form = "html") -> Response:
        with state.store() as store:
            return _respond(request, form, "search", views.search_page(store, state.bundle, q), "Search")

    @router.get("/datasets/{dataset:path}", summary="What is known about a dataset")
    def dataset(request: Request, dataset: str, form: Form = "html") -> Response:
        with state.store() as store:
            page = views.dataset_page(store, dataset)
        return _respond(request, form, "dataset", page, page["id"])

    @router.get("/author/{author}", summary="What an author published")
    def author(request: Request, author: str, form: Form = "html") -> Response:
        bundle = state.bundle
        with state.store() as store:
            page = author_page(store, bundle, author)
        return _respond(request, form, "author", page, page["author"])

    @router.get("/family", summary="One or two families as trees on one scale")
    def family(request: Request, a: Text = "", b: Text = "", form: Form = "html") -> Response:
        bundle = state.bundle
        with state.store() as store:
            page = views.family_page(store, bundle, [a, b])
        return _respond(request, form, "family", page, "Families", "family")

    @router.get("/compare", summary="Two models, trait by trait and character by character")
    def compare(request: Request, left: Text = "", right: Text = "", form: Form = "html") -> Response:
        if not (left and right):
            page: views.Page = {"left": left, "right": right, "traits": []}
            return _respond(request, form, "compare", page, "Compare")
        with state.store() as store:
            page = views.compare_page(store, state.settings, left, right)
        return _respond(request, form, "compare", page, "Compare")

    @router.get("/runs", summary="What was loaded, charted, completed and audited")
    def runs(request: Request, form: Form = "html") -> Response:
        with state.store() as store:
            return _respond(request, form, "runs", views.runs_page(store), "Runs", "runs")

    return router


def _question_pages(state: AppState) -> APIRouter:
    router = APIRouter(tags=["pages"], responses=PAGE, default_response_class=HTMLResponse)

    @router.get("/questions/{name}", summary="A shipped query as a form, and its answer")
    def question(request: Request, name: str, form: Form = "html") -> Response:
        given = {key: value[:500] for key, value in request.query_params.items() if key not in ("format", "ask")}
        run = "ask" in request.query_params and _is_ours(request)
        with state.store() as store:
            page = questions.question_page(store, name, given, run=run)
        return _respond(request, form, "question", page, page["title"], "questions")

    @router.get("/cypher", summary="The answer to Cypher that only reads")
    def cypher(request: Request, q: Annotated[str, Query(max_length=5000)] = "", form: Form = "html") -> Response:
        with state.store() as store:
            page = questions.cypher_page(store, q, run=_is_ours(request))
        return _respond(request, form, "cypher", page, "Cypher", "questions")

    return router


class CsvResponse(Response):
    """A table as CSV."""

    media_type = "text/csv; charset=utf-8"


class SarifResponse(Response):
    """Findings as SARIF."""

    media_type = "application/sarif+json"


_OF_JSON: dict[int | str, dict[str, Any]] = {
    200: {"content": {SarifResponse.media_type: {"schema": {"type": "object"}}}}
}
"""Description of an answer that is JSON, under a name of its own."""


class ParquetResponse(Response):
    """A table as Parquet."""

    media_type = "application/vnd.apache.parquet"


def _downloads(state: AppState) -> APIRouter:
    router = APIRouter(prefix="/download", tags=["downloads"], responses=ERRORS)

    @router.get("/models/{model:path}/bom.json", summary="Bill of materials, CycloneDX", response_class=JSONResponse)
    def bom(model: str) -> Response:
        with state.store() as store:
            document = write_bom(collect_contents(store, model, cards=state.settings.home / FOLDER), "1.7")
        name = re.sub("[^A-Za-z0-9._-]+", "-", model)
        return _attachment(json.dumps(document, ensure_ascii=False, indent=2), f"{name}.cdx.json", "application/json")

    @router.get("/models/{model:path}/NOTICE.txt", summary="Notice for a model", response_class=PlainTextResponse)
    def notice(model: str) -> Response:
        with state.store() as store:
            properties_of(store, model)
            text = collect_notice(store, [model]).text()
        return _attachment(text, "NOTICE.txt", "text/plain; charset=utf-8")

    @router.post("/models.parquet", summary="Models by position on the map", response_class=ParquetResponse)
    async def models(request: Request, counted: Text) -> Response:
        body = await _bounded_body(request, MAX_SELECTED * POSITION_BYTES)
        return await run_in_threadpool(_selection, state.bundle, counted, body)

    @router.get("/audit.csv", summary="Findings of the newest audit", response_class=CsvResponse)
    def audit_csv(wanted: FindingFilters) -> Response:
        rows = views.matching_findings(state.bundle, wanted)
        out = io.StringIO()
        writer = csv.DictWriter(out, FINDING_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(spreadsheet_row, rows))
        return _attachment(out.getvalue(), "audit.csv", CsvResponse.media_type)

    @router.get(
        "/audit.sarif",
        summary="Findings of the newest audit, SARIF 2.1.0",
        response_class=SarifResponse,
        responses=_OF_JSON,
    )
    def audit_sarif(wanted: FindingFilters) -> Response:
        bundle = state.bundle
        run = bundle.report["audit"]["run"]
        if run is None:
            raise HTTPException(404, "the atlas was not audited yet")
        report = AuditReport(run["parameters"]["profile"], run["parameters"]["rules_version"], run["counts"]["models"])
        rows = views.matching_findings(bundle, wanted)
        report.findings = [{**row, "path": [], "remediation": None} for row in rows]
        return _attachment(json.dumps(to_sarif(report), ensure_ascii=False), "audit.sarif", SarifResponse.media_type)

    return router


FINDING_COLUMNS = (
    "model", "child_license", "ancestor", "license", "finding", "verdict", "rule", "clause", "profile", "hops",
    "confidence",
)  # fmt: skip


async def _bounded_body(request: Request, most: int) -> bytes:
    """Return the body of a request.

    Raises:
        UsageError: It is longer than `most` bytes; no more of it is read.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise UsageError(f"the request is longer than {most:,} bytes", hint="Select a smaller area, or filter")
    return body


def _selection(bundle: Bundle, counted: str, body: bytes) -> Response:
    if counted != bundle.report["key"]:
        raise UsageError("the map was counted anew since this page was opened", hint="Reload the page")
    positions = decode_positions(body, len(bundle.names))
    table = selected_models(bundle.folder, bundle.report["map"]["layers"], bundle.names, positions)
    out = io.BytesIO()
    write_parquet(out, table.schema, table.to_batches())
    return _attachment(out.getvalue(), "models.parquet", ParquetResponse.media_type)


def _attachment(text: str | bytes, name: str, kind: str) -> Response:
    return Response(text, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _files(state: AppState) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/static/plotly.min.js")
    def plotly() -> Response:
        return FileResponse(plotly_file(), headers={"Cache-Control": "max-age=86400"})

    @router.get("/data/{name:path}")
    def data(name: str) -> Response:
        file = state.bundle.folder / name
        if not re.fullmatch(r"(map|sea|places|authors)\.js|map-[a-z]+\.png|names/\d+\.js", name) or not file.is_file():
            raise HTTPException(404, "no such data file")
        return FileResponse(file, headers={"Cache-Control": "no-cache"})

    return router
