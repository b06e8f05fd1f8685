"""One record of the Hub's API, or one card, decoded and normalised into a `HubRecord`.

`hub_row` reads the fields. Accepts list rows, single-model answers (`cardData`, `siblings`, `config`, `safetensors`,
`gguf`), dataset rows, bare cards (`{id, card}`) and answers with their card beside them (`{id, info, card}`).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any, NamedTuple

from atlas_db.cards.front_matter import Card, parse_card
from atlas_db.core.errors import FAULT, RecordError, fault_text
from atlas_db.core.records import HubRecord, ValueClaim
from atlas_db.core.safe_text import shown
from atlas_db.core.terms import RecordKind, RecordPart
from ingest.hub.field_values import as_count, as_date, is_missing
from ingest.hub.file_claims import add_config_parents, add_file_claims, add_licenses, add_written_license
from ingest.hub.hub_row import ODD, UNREADABLE, Notes, Row, read_field, read_row
from ingest.hub.parent_claims import add_parents, card_parents, read_base_models, tag_parents
from ingest.hub.record_ids import ODD_ID, has_control_characters, record_id
from ingest.normalise.dataset_names import dataset_name, dataset_names
from ingest.normalise.license_ids import normalise_license_id
from ingest.normalise.values import arxiv_id, card_languages, hub_date, strings_in, tag_languages

NORMALISER_VERSION = b"8"
"""Part of every digest: a change of the rules makes every record count as changed."""
MAX_VALUE = 512
MAX_TAGS = 10_000
"""Tags of a record that are read."""
KEPT_TAGS, KEPT_CHARACTERS = 64, 2048
"""Number of tags, and of their characters, up to which what they state is kept for the next record with them."""
_LICENSE_FILES = ("license", "licence", "notice", "use_policy", "copying", "terms")
_DATASET_CARD = frozenset({
    "task_categories", "size_categories", "task_ids", "source_datasets", "multilinguality", "annotations_creators",
    "language_creators", "dataset_info",
})  # fmt: skip
_MODEL_CARD = frozenset({"base_model", "pipeline_tag", "library_name", "model-index", "datasets", "metrics", "widget"})
# The Hub writes these namespaces into tags of datasets only; counted on the lists of July 2024.
_DATASET_PREFIXES = (*(f"{name}:" for name in sorted(_DATASET_CARD)), "modality:", "format:", "library:", "language:")
_NO_CARD = "Error: the path 'README.md' does not exist in the given tree"


def decode_record(body: bytes, kind: RecordKind | None = None) -> HubRecord:
    """Decode and normalise one record.

    Args:
        body: JSON text.
        kind: Kind of the record; where None, it follows from the fields.

    Raises:
        RecordError: It is not JSON, no object, or it has no usable id or kind.
    """
    row, notes = read_row(body)
    found = kind or _kind(row)
    identifier = row.id or row.modelId or ""
    if not identifier.strip():
        unreadable = next((text for _, text in notes if text.startswith(("id:", "modelId:"))), "")
        raise RecordError(unreadable or "the record has no id", code="wrong_type" if unreadable else "no_id")
    if notes and "\ufffd" in identifier:
        raise RecordError(f"the id {shown(identifier)} is no Unicode text", code="bad_id")
    identifier, found, odd = record_id(identifier, found)
    if odd:
        notes.append((ODD_ID, odd))
    record = _normalise(row, identifier, found, notes)
    record.digest = hashlib.blake2b(body, digest_size=8, person=NORMALISER_VERSION).hexdigest()
    return record


def decode_one_of_many(body: bytes, kind: RecordKind | None = None) -> HubRecord:
    """Decode and normalise one record among others. A fault of ours costs that record, and not the others.

    Args:
        body: JSON text.
        kind: Kind of the record; where None, it follows from the fields.

    Raises:
        RecordError: The record cannot be used; where the reason is a fault of ours, with the code `fault`.
    """
    try:
        return decode_record(body, kind)
    except RecordError:
        raise
    except Exception as error:  # one odd row among millions must not end a load; the fault is reported with its place
        raise RecordError(fault_text(error), code=FAULT) from error


def _kind(row: Row) -> RecordKind | None:
    """Return the kind that the fields of a row show; None where it may be either."""
    if row.modelId:
        return RecordKind.MODEL
    if row.sdk is not None:
        raise RecordError("the record describes a Space, not a model or dataset", code="unknown_kind")
    dataset = row.citation is not None or row.paperswithcode_id is not None or row.key is not None
    if row.pipeline_tag is None and row.library_name is None:
        dataset = dataset or any(tag.startswith(_DATASET_PREFIXES) for tag in row.tags or ())
    if dataset:
        return RecordKind.DATASET
    return None


def _normalise(row: Row, identifier: str, shown: RecordKind | None, notes: Notes) -> HubRecord:
    record = HubRecord(shown or RecordKind.MODEL, identifier, (), {}, {}, [], [], notes=notes)
    try:
        created, modified = hub_date(row.createdAt), hub_date(row.lastModified)
    except ValueError:
        created = read_field(as_date, {"createdAt": row.createdAt}, ("createdAt",), notes)
        modified = read_field(as_date, {"lastModified": row.lastModified}, ("lastModified",), notes)
    details = record.details
    if created is not None:
        details["created_at"] = created
    if modified is not None:
        details["last_modified"] = modified
    if row.private is not None:
        details["private"] = row.private
    if row.disabled is not None:
        details["disabled"] = row.disabled
    if row.gated is not None:
        details["gated"] = str(row.gated).lower()
    if row.sha is not None:
        details["sha"] = row.sha
    card = _card(row, record)
    if shown is None and card and _DATASET_CARD & card.keys() and not _MODEL_CARD & card.keys():
        record.kind = RecordKind.DATASET
    if row.tags is not None:
        record.parts = (RecordPart.TAGS,)
        _read_tags(row, record)
    else:
        for name in ("downloads", "likes", "pipeline_tag", "library_name"):
            if (value := getattr(row, name)) is not None:
                record.details[name] = value
    # Files without a card among them say that there is none; a list of files with one does not say what it states.
    no_card = row.siblings is not None and not any(each.rfilename.lower() == "readme.md" for each in row.siblings)
    if card is not None or no_card:
        record.parts = (*record.parts, RecordPart.CARD)
        _read_card(card or {}, record)
    if record.kind is RecordKind.MODEL:
        _read_files(row, record)
        if row.baseModels is not None:
            record.parts = (*record.parts, RecordPart.BASE_MODELS)
            read_base_models(row.baseModels, record, row.tags or [], row.library_name)
        if row.config is not None:
            add_config_parents(row.config, record)
        if row.file_metadata is not None:
            add_file_claims(row.file_metadata, record)
    else:
        record.claims = [claim for claim in record.claims if claim.rel == "HAS_LICENSE"]
        record.parents = []
        record.stated = {name: value for name, value in record.stated.items() if name not in _MODEL_ONLY}
    _drop_unprintable(record)
    record.claims = _unique_claims(record)
    return record


def _drop_unprintable(record: HubRecord) -> None:
    """Leave out, with a note, each claim, parent and property with control characters: no name has any."""
    if _is_printable(record):
        return
    named = [(claim.rel, claim.value) for claim in record.claims]
    named += [("parent", parent.name) for parent in record.parents]
    named += [("tags", tag) for tag in record.stated.get("tags") or ()]
    for properties in (record.stated, record.details):
        named += [(name, value) for name, value in properties.items() if isinstance(value, str)]
    places = dict.fromkeys(pair for pair in named if has_control_characters(pair[1]))
    if not places:
        return
    record.notes += [(UNREADABLE, f"{what}: {shown(value)} has control characters") for what, value in places]
    bad = {value for _, value in places}
    record.claims = [claim for claim in record.claims if claim.value not in bad]
    record.parents = [parent for parent in record.parents if parent.name not in bad]
    for name in [name for name, value in record.stated.items() if isinstance(value, str) and value in bad]:
        record.stated[name] = None
    if tags := record.stated.get("tags"):
        record.stated["tags"] = [tag for tag in tags if tag not in bad] or None
    for name in [name for name, value in record.details.items() if isinstance(value, str) and value in bad]:
        del record.details[name]


def _is_printable(record: HubRecord) -> bool:
    """Whether all names are of printable characters, as those of nearly all records are: one look at one text."""
    names = [claim.value for claim in record.claims]
    names += [parent.name for parent in record.parents]
    names += record.stated.get("tags") or ()
    names += [value for value in record.stated.values() if type(value) is str]
    names += [value for value in record.details.values() if type(value) is str]
    return "".join(names).isprintable()


_MODEL_ONLY = frozenset({"pipeline_tag", "library_name"})


def _parameters(weights: dict[str, Any], name: str, notes: Notes) -> int | None:
    """Return the number of parameters of `safetensors` or `gguf`: their total, else the sum over the types."""
    total = read_field(as_count, weights, ("total",), notes, inside=name)
    if total is None and isinstance(by_type := weights.get("parameters"), dict):
        counts = [count for count in by_type.values() if isinstance(count, int)]
        total = read_field(as_count, {"parameters": sum(counts) or None}, ("parameters",), notes, inside=name)
    return total


def _card(row: Row, record: HubRecord) -> dict[str, Any] | None:
    """Return the data of the card from any of its fields; None where the record has no card."""
    data: dict[str, Any] | None = None
    if row.card is not None:
        if row.card == _NO_CARD:
            return {}
        card: Card = parse_card(row.card)
        record.card = row.card
        record.details |= {
            "card_sha256": card.sha256,
            "card_length": card.length,
            "card_template": card.template,
        }
        if card.problem:
            record.notes.append(("bad_front_matter", card.problem))
        data = card.data
    if row.cardData is not None:
        stated = {name: value for name, value in row.cardData.items() if value is not None}
        data = {**(data or {}), **stated}
    return data


class _Tags(NamedTuple):
    """What the tags of a record state, in their order.

    Attributes:
        claims: Claims of licences, datasets, papers and, behind them, languages.
        plain: The other tags.
        parents: Parents, as `base_model:` states them.
        licenses: Ids of licences.
        written: Ids of licences whose tag is written otherwise, with what is written.
    """

    claims: tuple[ValueClaim, ...]
    plain: tuple[str, ...]
    parents: tuple[str, ...]
    licenses: tuple[str, ...]
    written: tuple[tuple[str, str], ...]


def _read_tags(row: Row, record: HubRecord) -> None:
    tags = (row.tags or [])[:MAX_TAGS]
    if row.tags and len(row.tags) > MAX_TAGS:
        record.notes.append((ODD, f"tags: {len(row.tags):,}, of which {MAX_TAGS:,} are read"))
    # Of five records four have the tags of another one. What a long list of tags states is not kept.
    is_short = len(tags) <= KEPT_TAGS and sum(map(len, tags)) <= KEPT_CHARACTERS
    read = _kept_tags if is_short else _tags_of
    stated = read(tuple(tags), row.pipeline_tag, row.library_name)
    record.claims += stated.claims
    for identifier, written in stated.written:
        add_written_license(record, identifier, written)
    _read_fields(row.pipeline_tag, row.library_name, record, RecordPart.TAGS)
    record.stated = {
        "downloads": row.downloads,
        "likes": row.likes,
        "pipeline_tag": _indexable(row.pipeline_tag),
        "library_name": _indexable(row.library_name),
        "license": _indexable(stated.licenses[0] if stated.licenses else None),
        "tags": list(stated.plain) or None,
    }
    if stated.parents:
        add_parents(tag_parents(stated.parents), record, RecordPart.TAGS, tags, row.library_name)


def _tags_of(tags: tuple[str, ...], task: object, library: object) -> _Tags:
    """Return what tags state but the task and the library, which the record names as well."""
    languages = tag_languages(tags)
    claims: list[ValueClaim] = []
    plain: list[str] = []
    parents: list[str] = []
    licenses: list[str] = []
    written: list[tuple[str, str]] = []
    claimed_tags = {*languages, task, library}
    for tag in tags:
        if ":" not in tag:
            if tag not in claimed_tags:
                plain.append(tag)
        elif tag.startswith("base_model:"):
            parents.append(tag[11:])
        elif (claim := _tag_claim(tag) if len(tag) <= MAX_VALUE else _read_tag(tag)) is not None:
            claims.append(claim)
            if claim.rel == "HAS_LICENSE":
                licenses.append(claim.value)
                if tag[8:] != claim.value:
                    written.append((claim.value, tag[8:].strip()))
        elif not tag.startswith("region:"):
            plain.append(tag)
    claims += [_claim("IN_LANGUAGE", language, RecordPart.TAGS) for language in languages]
    return _Tags(tuple(claims), tuple(plain), tuple(parents), tuple(licenses), tuple(written))


_kept_tags = lru_cache(maxsize=1 << 13)(_tags_of)


def _read_tag(tag: str) -> ValueClaim | None:
    head, _, rest = tag.partition(":")
    if head == "license":
        return ValueClaim("HAS_LICENSE", normalise_license_id(rest), 1.0, RecordPart.TAGS)
    if head == "dataset":
        return ValueClaim("TRAINED_ON", dataset_name(rest), 1.0, RecordPart.TAGS)
    if head in ("arxiv", "arXiv") and (paper := arxiv_id(rest)):
        return ValueClaim("CITES", paper, 1.0, RecordPart.TAGS)
    return None


# Millions of models share some thousands of tags and values, so each is parsed once.
_tag_claim = lru_cache(maxsize=2**16)(_read_tag)


@lru_cache(maxsize=2**14)
def _claim(rel: str, value: str, part: RecordPart) -> ValueClaim:
    return ValueClaim(rel, value, 1.0, part)


def _indexable(value: str | None) -> str | None:
    """Return a value that is short enough for an index, else None: Neo4j refuses index keys above 8 kB."""
    return value if value and len(value) <= MAX_VALUE else None


def _read_fields(task: object, library: object, record: HubRecord, part: RecordPart) -> None:
    for rel, value in (("HAS_TASK", task), ("USES_LIBRARY", library)):
        if isinstance(value, str) and value.strip():
            record.claims.append(_claim(rel, value.strip(), part))


def _first_text(data: dict[str, Any], name: str, notes: Notes) -> str | None:
    """Return the text of a field of the card; of a list or a mapping the first one, with a note."""
    value = data.get(name)
    if isinstance(value, str) or is_missing(value):
        return value if isinstance(value, str) else None
    keys = [key for key in value if isinstance(key, str)] if isinstance(value, dict) else []
    if not (texts := strings_in(value) or keys):
        if value:
            notes.append((UNREADABLE, f"{name}: {shown(value)} is no text"))
        return None
    notes.append((ODD, f"{name} is a {type(value).__name__}: {texts[0]!r} is read"))
    return texts[0]


def _languages(value: object, notes: Notes) -> list[str]:
    """Return the languages of a card; those of a mapping are its keys, or its name or code."""
    if not isinstance(value, dict):
        return card_languages(value)
    notes.append((ODD, "language is a dict: its names and keys are read"))
    inside = [each for each in value.values() if isinstance(each, str)]
    return card_languages(list(value)) or card_languages(inside)


def _read_card(data: dict[str, Any], record: HubRecord) -> None:
    claims, part = record.claims, RecordPart.CARD
    license_id = add_licenses(record, part, data.get("license"), data.get("license_name"), data.get("license_link"))
    claims += [ValueClaim("IN_LANGUAGE", code, 1.0, part) for code in _languages(data.get("language"), record.notes)]
    claims += [
        ValueClaim("TRAINED_ON", name, 1.0, part) for name in dataset_names(data.get("datasets", data.get("dataset")))
    ]
    task, library_name = (_first_text(data, name, record.notes) for name in ("pipeline_tag", "library_name"))
    _read_fields(task, library_name, record, part)
    for name in ("license_name", "license_link"):
        if isinstance(value := data.get(name), str) and 0 < len(value.strip()) <= MAX_VALUE:
            record.details[name] = value.strip()
    if RecordPart.TAGS not in record.parts:
        declared = {"license": license_id, "pipeline_tag": task, "library_name": library_name}
        for name, first in declared.items():
            if isinstance(first, str) and 0 < len(first) <= MAX_VALUE:
                record.details[name] = first
    if names := card_parents(data):
        tags = strings_in(data.get("tags")) + (record.stated.get("tags") or [])
        library = library_name or record.stated.get("library_name")
        add_parents(names, record, part, tags, library)


def _read_files(row: Row, record: HubRecord) -> None:
    if row.siblings:  # an empty list says nothing: each repository has a file
        names = [each.rfilename for each in row.siblings]
        record.details["license_files"] = sorted(
            name for name in names if name.rpartition("/")[2].lower().startswith(_LICENSE_FILES)
        )
    if row.config is not None or row.gguf is not None:
        _read_architecture(row.config or {}, row.gguf or {}, record)
    total = None if row.safetensors is None else _parameters(row.safetensors, "safetensors", record.notes)
    if total is None and row.gguf is not None:
        total = _parameters(row.gguf, "gguf", record.notes)
    if total is not None:
        record.details["num_params"] = total


def _read_architecture(config: dict[str, Any], gguf: dict[str, Any], record: HubRecord) -> None:
    """Read the architecture. The header of a GGUF file is the configuration of a repository without another."""
    named = [each.strip() for each in (config.get("model_type"), gguf.get("architecture")) if isinstance(each, str)]
    if config or gguf.get("architecture"):
        record.parts = (*record.parts, RecordPart.CONFIG)
    if kind := next((each for each in named if each), ""):
        record.details["model_type"] = kind
        record.claims.append(_claim("HAS_ARCHITECTURE", kind, RecordPart.CONFIG))


def _unique_claims(record: HubRecord) -> list[ValueClaim]:
    found: dict[tuple[str, str, RecordPart], ValueClaim] = {}
    for claim in record.claims:
        if not claim.value:
            continue
        if len(claim.value) > MAX_VALUE:
            record.notes.append(("oversized_value", f"{claim.rel} value of {len(claim.value)} characters"))
            if claim.rel != "HAS_LICENSE":
                continue
            # A licence that is too long is stated all the same: its beginning stands for it.
            claim = claim._replace(value=f"{claim.value[: MAX_VALUE - 1]}…")
        key = (claim.rel, claim.value, claim.part)
        if key not in found or found[key].confidence < claim.confidence:
            found[key] = claim
    return list(found.values())
