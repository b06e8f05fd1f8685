"""A hub whose statistics are counted, a dashboard that shows one, and a real browser."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from atlas_db.claims.runs import begin_run, finish_run
from atlas_db.core.settings import Settings
from atlas_db.core.terms import RunKind
from atlas_db.dashboard.aggregates import Bundle, build_bundle
from atlas_db.licenses.audit import AuditOptions
from atlas_db.licenses.write_findings import audit_and_write
from atlas_db.store.bolt import Store
from atlas_db.store.connect import connect
from atlas_db.store.statements import merge_edges
from ingest.load.load_records import load
from ingest.load.stream import LoadOptions
from tests.support.command import ATLAS, run
from tests.support.dashboard_hub import ROWS, SITE_ROWS
from tests.support.dashboard_site import Site, await_site
from tests.support.graphs import write_rows


@pytest.fixture(scope="session")
def shown_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home folder with an engine of its own: two modules see one site, and between them others empty the shared one."""
    folder = tmp_path_factory.mktemp("dashboard")
    run(folder, "load", write_rows(folder / "rows.jsonl", SITE_ROWS))
    with connect(Settings(home=folder, heap="1g")) as store:
        completion = begin_run(store, RunKind.COMPLETION, {})
        props = {
            "source": "predicted", "confidence": 0.97, "method": "test@1", "run_id": completion, "evidence": '{"test": "ranking", "groups": {"author": {"positives": 3, "total": 4}}}',
            "first_seen": "2024-06-01", "last_seen": "2024-06-01",
        }  # fmt: skip
        row = {"a": "g/guessed", "b": "llama3.1", "set": props}
        store.write(lambda tx: tx.run_batch(merge_edges("HAS_LICENSE", "Model", "License"), [row]))
        finish_run(store, completion, {})
    run(folder, "audit", "--all")
    yield folder
    run(folder, "store", "stop")


@pytest.fixture(scope="session")
def site(shown_home: Path) -> Iterator[Site]:
    env = {**os.environ, "ATLAS_DB_HOME": str(shown_home), "ATLAS_DB_HEAP": "1g"}
    command = [*ATLAS, "dashboard", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        try:
            yield await_site(process, shown_home)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that must not complain."""
    fresh = browser.new_page(viewport={"width": 1280, "height": 900})
    observed: list[str] = []
    fresh.on("console", lambda message: observed.append(message.text) if message.type in ("error", "warning") else None)
    fresh.on("pageerror", lambda error: observed.append(str(error)))
    # What is aborted is a download, or a page that was left.
    fresh.on("requestfailed", lambda each: None if each.failure == "net::ERR_ABORTED" else observed.append(each.url))
    yield fresh
    fresh.close()
    assert observed == []


@pytest.fixture
def counted(store: Store, tmp_path: Path) -> Bundle:
    write_rows(tmp_path / "rows.jsonl", ROWS)
    load(store, [str(tmp_path / "rows.jsonl")], LoadOptions(tmp_path))
    audit_and_write(store, tmp_path, AuditOptions(), 5000)
    return build_bundle(store, tmp_path)
