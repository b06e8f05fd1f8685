"""One row of the Hub's API, on the wire or written again by a tool, under the names and types of the wire.

A row whose fields have the wire's names and types is decoded in one step. Any other is read field by field. It may have
the names of huggingface_hub's Python objects (`card_data`, `created_at`), text in place of lists and objects, or epochs
in place of dates. A field that cannot be read is left out, with a note; the row stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import msgspec

from atlas_db.cards.front_matter import parse_yaml, split_card
from atlas_db.core.decoding import decode_json
from atlas_db.core.errors import RecordError
from atlas_db.core.safe_text import shown
from ingest.hub.field_values import (
    MAX_COUNT,
    MISSING_WORDS,
    as_count,
    as_date,
    as_file_names,
    as_flag,
    as_gate,
    as_list,
    as_mapping,
    as_parents,
    as_text,
    as_weights_total,
    is_missing,
)

Value = TypeVar("Value")
Notes = list[tuple[str, str]]
UNREADABLE = "unreadable_field"
"""Code of the note for a field that was left out."""
ODD = "odd_field"
"""Code of the note for a field of an unusual form that was read."""
REPLACED = "replaced_characters"
"""Code of the note for lone surrogates, and bytes that are not UTF-8."""
_MODEL_KEYS = frozenset({
    "modelId", "model_id", "pipeline_tag", "library_name", "config", "base_models", "gguf", "safetensors", "spaces",
    "mask_token", "transformers_info",
})  # fmt: skip
_DATASET_KEYS = frozenset({"citation", "paperswithcode_id", "main_size", "mainSize"})
_EVERY_INFO = frozenset({"author", "sha", "private", "created_at", "description"})
_OBJECT_ID = re.compile(r"[0-9a-f]{24}")
Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]


class Sibling(msgspec.Struct):
    """One file of a repository: its path in it."""

    rfilename: str


class Row(msgspec.Struct, gc=False):
    """The fields of a row that are read, under the names and with the types of the wire.

    The names of huggingface_hub's objects stand here so that a row with one of them is not taken for the wire's.
    """

    id: str | None = None
    modelId: str | None = None
    createdAt: str | None = None
    lastModified: str | None = None
    downloads: Count | None = None
    likes: Count | None = None
    private: bool | None = None
    disabled: bool | None = None
    gated: bool | str | None = None
    sha: str | None = None
    tags: list[str] | None = None
    pipeline_tag: str | None = None
    library_name: str | None = None
    cardData: dict[str, Any] | None = None
    siblings: list[Sibling] | None = None
    config: dict[str, Any] | None = None
    safetensors: dict[str, Any] | None = None
    gguf: dict[str, Any] | None = None
    baseModels: dict[str, Any] | list[Any] | None = None
    citation: Any = None
    paperswithcode_id: Any = None
    sdk: Any = None
    key: Any = None
    info: msgspec.Raw = msgspec.Raw(b"")
    card: str | None = None
    file_metadata: dict[str, Any] | None = None
    created_at: None = None
    last_modified: None = None
    card_data: None = None
    base_models: None = None
    model_id: None = None
    updatedAt: None = None


_DECODER = msgspec.json.Decoder(Row)


def read_row(body: bytes) -> tuple[Row, Notes]:
    """Read one row.

    Args:
        body: JSON text of an object, or of `{id, info, card}` with the object as `info`.

    Returns:
        The row, and notes on the fields that were left out.

    Raises:
        RecordError: It is not JSON, or no object.
    """
    try:
        row = _DECODER.decode(body)
        if row.info and bytes(row.info)[:1] == b"{":
            inner = _DECODER.decode(row.info)
            inner.id, inner.card = row.id or inner.id, row.card
            row = inner
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_fields(body)
    if row.pipeline_tag in MISSING_WORDS or row.library_name in MISSING_WORDS:
        row.pipeline_tag, row.library_name = (
            None if each in MISSING_WORDS else each for each in (row.pipeline_tag, row.library_name)
        )
    return row, []


def _read_fields(body: bytes) -> tuple[Row, Notes]:
    notes: Notes = []
    try:
        fields, replaced = decode_json(body)
    except ValueError as error:
        raise RecordError(str(error), code="not_json") from error
    if not isinstance(fields, dict):
        raise RecordError(f"the record is a {type(fields).__name__}, not an object", code="wrong_type")
    if replaced:
        notes.append((REPLACED, "characters that are no Unicode text were replaced by U+FFFD"))
    name, own_id = fields.get("name"), fields.get("id")
    if "updatedAt" in fields and isinstance(name, str) and _OBJECT_ID.fullmatch(str(own_id)):
        # An entry of huggingface.js: its id is the database's, and its name the repository's.
        fields = {**fields, "id": name, "lastModified": fields["updatedAt"], "pipeline_tag": fields.get("task")}
    if isinstance(inner := fields.get("info"), dict):
        fields = {**inner, "id": fields.get("id") or inner.get("id"), "card": fields.get("card")}
    return _row_of(fields, notes), notes


def read_field(
    convert: Callable[[object], Value | None],
    fields: Mapping[str, Any],
    names: tuple[str, ...],
    notes: Notes,
    inside: str = "",
) -> Value | None:
    """Read a field from the first of its names that holds something readable.

    Args:
        convert: One of the readers in `field_values`.
        fields: The fields of the object.
        names: Names of the field, the preferred one first.
        notes: Takes a note where the field is there and cannot be read.
        inside: Name of the object, where it is itself a field.
    """
    problem = ""
    for name in names:
        try:
            found = convert(fields.get(name))
        except ValueError as error:
            problem = problem or f"{inside}{'.' if inside else ''}{name}: {error}"
            continue
        if found is not None:
            return found
    if problem:
        notes.append((UNREADABLE, problem))
    return None


def _row_of(fields: Mapping[str, Any], notes: Notes) -> Row:
    def read(convert: Callable[[object], Value | None], *names: str) -> Value | None:
        return read_field(convert, fields, names, notes)

    files = read(as_file_names, "siblings")
    row = Row(
        id=read(as_text, "id"),
        modelId=read(as_text, "modelId", "model_id"),
        createdAt=read(as_date, "createdAt", "created_at"),
        lastModified=read(as_date, "lastModified", "last_modified"),
        downloads=read(as_count, "downloads"),
        likes=read(as_count, "likes"),
        private=read(as_flag, "private"),
        disabled=read(as_flag, "disabled"),
        gated=read(as_gate, "gated"),
        sha=read(as_text, "sha"),
        tags=_tags(fields, notes),
        pipeline_tag=read(as_text, "pipeline_tag"),
        library_name=read(as_text, "library_name"),
        cardData=_card_data(fields, notes),
        siblings=None if files is None else [Sibling(name) for name in files],
        config=read(as_mapping, "config"),
        safetensors=read(as_weights_total, "safetensors"),
        gguf=read(as_mapping, "gguf"),
        baseModels=read(as_parents, "baseModels", "base_models"),
        citation=fields.get("citation"),
        paperswithcode_id=fields.get("paperswithcode_id"),
        sdk=fields.get("sdk"),
        key=fields.get("key"),
        card=read(as_text, "card"),
        file_metadata=read(as_mapping, "file_metadata"),
    )
    # `vars(DatasetInfo)` has all keys of a dataset, most of them empty; `hf datasets list` leaves the empty ones out.
    a_dataset = _DATASET_KEYS & fields.keys() or fields.keys() >= _EVERY_INFO
    if row.citation is None and a_dataset and not _MODEL_KEYS & fields.keys():
        row.citation = ""
    return row


def _tags(fields: Mapping[str, Any], notes: Notes) -> list[str] | None:
    entries = read_field(as_list, fields, ("tags",), notes)
    if entries is None:
        return None
    tags = [each for each in entries if isinstance(each, str)]
    if left_out := [each for each in entries if not isinstance(each, str)]:
        notes.append((UNREADABLE, f"tags: {shown(left_out[0])} is no text ({len(left_out)} left out)"))
    return tags


def _card_data(fields: Mapping[str, Any], notes: Notes) -> dict[str, Any] | None:
    """Read the data of the card: an object, its text, or YAML as `str(ModelCardData)` gives it."""
    for name in ("cardData", "card_data"):
        value = fields.get(name)
        if isinstance(value, str) and not is_missing(value) and value.lstrip()[:1] != "{":
            card, problem = parse_yaml(split_card(value)[0] or value)
            if problem:
                notes.append(("bad_front_matter", problem))
            return card
    data = read_field(as_mapping, fields, ("cardData", "card_data"), notes)
    # `dataclasses.asdict(ModelInfo)` empties the card, so an empty one under Python's name does not say that it is.
    return None if data == {} and "cardData" not in fields else data
