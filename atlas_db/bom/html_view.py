"""A bill of materials as one page of HTML for readers: components, licences, lineage, files, and how each is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.metadata import version

from atlas_db.bom.accuracy import accuracy, field_states
from atlas_db.bom.collect import CONTEXT_WORDS, BomContents, BomEntry, hub_address
from atlas_db.catalogue.loader import catalogue
from atlas_db.core.terms import SOFTWARE, Source
from atlas_db.licenses.audit import DISCLAIMER
from ingest.normalise.license_ids import canonical_license_id

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { background: Canvas; color: CanvasText; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 2rem; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884; }
h1, td, code { overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  body { margin: 1rem auto; }
  h1 { font-size: 1.4rem; }
  table { font-size: .8rem; }
  th, td { padding-right: .4rem; }
}
@media print { body { margin: 0; max-width: none; } tr { break-inside: avoid; } caption { break-after: avoid; } }
"""


def to_html(contents: BomContents, author: str | None = None) -> str:
    """Return the bill of a model as a page that loads nothing from elsewhere.

    Args:
        contents: The model, its ancestors and their training data.
        author: Who answers for the bill.
    """
    root = contents.models[contents.root]
    scores = accuracy(contents)
    shares = ", ".join(f"{name} {share:.0%}" for name, share in scores["shares"].items())
    parts = [
        f"<h1>Bill of materials of {escape(root.path)}</h1>",
        "" if root.description is None else f"<p>{escape(root.description)}</p>",
        f"<p>{scores['fields']} fields, {scores['completeness']:.0%} of them filled: {shares}.</p>",
        f"<p>Made {escape(CONTEXT_WORDS[contents.context])}.</p>",
        "" if author is None else f"<p>Author of this bill: {escape(author)}</p>",
        _table(
            "Components", ("component", "version", "declared", "concluded", "verdict"), map(_component, _all(contents))
        ),
        _table("Lineage", ("model", "derives from", "relation", "status", "confidence"), _steps(contents)),
        _table("Training data", ("model", "dataset"), _data(contents)),
        _table("Files", ("component", "file", "bytes", "SHA-256"), _files(contents)),
        _table("Fields", ("component", "field", "state"), ([*map(_text, each)] for each in field_states(contents))),
        f"<p>{escape(DISCLAIMER)}</p><p>{SOFTWARE} {version('model-atlas-db')}</p>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Bill of materials of {escape(root.path)}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _all(contents: BomContents) -> list[BomEntry]:
    return [*contents.models.values(), *contents.datasets.values()]


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are HTML already; nothing where there are no rows."""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    return (
        f"<table><caption>{title}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if body else ""
    )


def _text(value: object) -> str:
    return escape(str(value))


def _linked(entry: BomEntry) -> str:
    address = hub_address(entry)
    return _text(entry.path) if address is None else f'<a href="{escape(address)}">{_text(entry.path)}</a>'


def _license(written: str) -> str:
    """Return a licence with a link to its text, where the catalogue knows one."""
    entry = catalogue().get(canonical_license_id(written))
    return _text(written) if entry is None else f'<a href="{escape(entry.source)}">{_text(written)}</a>'


def _component(entry: BomEntry) -> list[str]:
    declared = [entry.as_written(each["id"]) for each in entry.licenses if each["source"] != Source.PREDICTED]
    return [
        _linked(entry),
        f"<code>{_text(entry.props.get('sha') or '')}</code>",
        ", ".join(map(_license, dict.fromkeys(declared))) or _text(entry.license_state.replace("_", " ")),
        ", ".join(map(_license, entry.concluded_licenses)),
        _text((entry.verdict or "").replace("_", " ")),
    ]


def _steps(contents: BomContents) -> Iterable[list[str]]:
    for child, steps in contents.parents.items():
        for step in steps:
            yield [*map(_text, (child, step.id, step.relation, step.status, f"{step.confidence:.2f}"))]


def _data(contents: BomContents) -> Iterable[list[str]]:
    for child, names in contents.trained_on.items():
        yield from ([_text(child), _linked(contents.datasets[name])] for name in names)


def _files(contents: BomContents) -> Iterable[list[str]]:
    for entry in contents.models.values():
        for each in entry.files:
            yield [_text(entry.path), _text(each.name), f"{each.size:,}", f"<code>{each.sha256}</code>"]
