"""Records of answers that can be replayed: what was read, with what, and what came out; and their verification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from hashlib import blake2b, file_digest
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from atlas_db.core.decoding import MalformedError, read_json
from atlas_db.core.errors import InputError
from atlas_db.core.extras import DISTRIBUTION
from atlas_db.core.files import reason_of
from atlas_db.core.terms import SOFTWARE
from atlas_db.provenance.origin_answer import OriginAnswer, answer_origin, chart_with_known
from ingest.formats.model_folder import read_folder
from ingest.formats.pipelines.pipeline_index import component_folders
from ingest.weights.fingerprints.batch import open_location
from ingest.weights.fingerprints.fingerprint import VERSION as FINGERPRINT_VERSION
from ingest.weights.fingerprints.fingerprint import Fingerprint, compute_fingerprint
from ingest.weights.fingerprints.http_range import SCHEME
from ingest.weights.parameters.chart_parameters import chart_parameters
from ingest.weights.samples.resample import Resampler

RECORD_VERSION = 1
"""Version of the layout of a record."""
TOLERANCE = 1e-6
"""Difference of two numbers up to which a result is the same: sums depend on the processor's order."""


class RecordedFile(msgspec.Struct, frozen=True):
    """One weight file.

    Attributes:
        name: Its name within the model's folder.
        bytes: Its length.
        sha256: Its SHA-256 digest, in hexadecimal digits.
    """

    name: str
    bytes: int
    sha256: str


class ReadModel(msgspec.Struct, frozen=True):
    """A model that an answer rests on.

    Attributes:
        id: Its id.
        created_at: Its date as stated, or empty.
        location: Path of its folder or file; `hub:owner/name@commit` on the Hub; empty where the files are not known.
        files: Its weight files; empty on the Hub, where the commit stands for them.
        weights_hash: Hash of names, shapes and sample.
        positions: Positions that were read, 32 weights each.
        positions_hash: Hash of these positions' ids.
        tensors: Names of the tensors that they lie in.
    """

    id: str
    created_at: str
    location: str
    files: tuple[RecordedFile, ...]
    weights_hash: str
    positions: int
    positions_hash: str
    tensors: tuple[str, ...]


class OriginRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, with all that is needed to compute it again.

    Attributes:
        record: Version of the layout.
        software: This program.
        software_version: Its version.
        fingerprint_version: Version of the fingerprint.
        model: Id of the model that the answer is about.
        models: The models that it rests on, that one among them.
        use_dates: Whether dates counted as evidence.
        reread: Whether larger samples were read from the files.
        parameters: Every tuned constant, by name.
        result: The answer: `verdict`, and `parents` with relation, confidence and evidence.
    """

    record: int = RECORD_VERSION
    software: str = SOFTWARE
    software_version: str
    fingerprint_version: str
    model: str
    models: tuple[ReadModel, ...]
    use_dates: bool
    reread: bool
    parameters: dict[str, str]
    result: dict[str, Any]


class VerificationOutcome(StrEnum):
    """Outcome of a verification."""

    SAME = "same"
    DIFFERENT = "different_result"
    CHANGED = "files_changed"
    MISSING = "files_missing"


class VerificationReport(NamedTuple):
    """What a verification found.

    Attributes:
        outcome: The outcome.
        model: Id of the model that the record is about.
        text: The outcome in sentences.
        details: What is missing, has changed or differs.
    """

    outcome: VerificationOutcome
    model: str
    text: str
    details: tuple[str, ...]


def make_record(answer: OriginAnswer, charted: Sequence[Fingerprint], *, use_dates: bool, reread: bool) -> OriginRecord:
    """Return the record of an answer.

    Args:
        answer: The answer.
        charted: The models that it rests on.
        use_dates: Whether dates counted as evidence.
        reread: Whether larger samples were read from the files.

    Raises:
        OSError: A weight file cannot be read.
    """
    return OriginRecord(
        software_version=version(DISTRIBUTION),
        fingerprint_version=FINGERPRINT_VERSION,
        model=answer.model,
        models=tuple(_read_model(item) for item in sorted(charted, key=lambda item: item.id)),
        use_dates=use_dates,
        reread=reread,
        parameters=_parameters(),
        result=result_of(answer),
    )


def result_of(answer: OriginAnswer) -> dict[str, Any]:
    """Return the part of an answer that has to come out again."""
    parents = [
        {"id": each.id, "relation": each.relation, "confidence": each.confidence, "evidence": each.evidence}
        for each in answer.parents
    ]
    result: dict[str, Any] = msgspec.to_builtins(
        {"verdict": answer.verdict, "parents": parents, "siblings": list(answer.siblings)}
    )
    return result


def read_record(path: Path) -> OriginRecord:
    """Read a record.

    Raises:
        InputError: It cannot be read, is no record, or of another version.
    """
    try:
        record = read_json(path, OriginRecord)
    except (OSError, MalformedError) as error:
        raise InputError(
            f"{path} cannot be read as a record ({reason_of(error)})",
            hint="Make one: atlas-db origin FOLDER --report DIR",
        ) from error
    if record.record != RECORD_VERSION:
        raise InputError(
            f"{path} is a record of version {record.record}; {RECORD_VERSION} can be read",
            hint=f"Verify it with {SOFTWARE} {record.software_version}",
        )
    return record


def verify_record(record: OriginRecord, places: Mapping[str, str] | None = None) -> VerificationReport:
    """Compute an answer again from the files, and compare.

    Args:
        record: The record.
        places: Locations of models by id, where they lie elsewhere than the record says.

    Raises:
        HubError: The Hub refuses a repository.
    """
    located = {item.id: (places or {}).get(item.id, item.location) for item in record.models}
    missing = [_absence(item, located[item.id]) for item in record.models]
    if lost := tuple(filter(None, missing)):
        text = f"{len(lost)} of the {len(record.models)} models are not here: nothing can be verified."
        return VerificationReport(VerificationOutcome.MISSING, record.model, text, lost)
    changed = tuple(each for item in record.models for each in _changes(item, located[item.id]))
    if changed:
        text = "Files have changed since the record was made: it is not about these files."
        return VerificationReport(VerificationOutcome.CHANGED, record.model, text, changed)
    prints = []
    for item in record.models:
        with open_location(located[item.id]) as model:
            prints.append(compute_fingerprint(model, item.id, item.created_at))
    differs = _fingerprint_differences(record, prints) + _result_differences(record, prints)
    if differs:
        text = "The files are the same, and the result differs."
        return VerificationReport(VerificationOutcome.DIFFERENT, record.model, text, tuple(differs + _versions(record)))
    text = f"The same answer on {record.model} follows from the same files."
    return VerificationReport(VerificationOutcome.SAME, record.model, text, tuple(_versions(record)))


def _read_model(item: Fingerprint) -> ReadModel:
    digest = blake2b(item.sample.keys.tobytes(), digest_size=16).hexdigest()
    return ReadModel(
        item.id, item.created_at, item.location, hash_weight_files(item.location), item.weights_hash,
        len(item.sample.keys), digest, tuple(item.sample.names),
    )  # fmt: skip


def hash_weight_files(location: str) -> tuple[RecordedFile, ...]:
    """Return the weight files at a location with their digests; none on the Hub, or where nothing is there.

    Raises:
        OSError: A file cannot be read.
    """
    path = Path(location)
    if not location or location.startswith(SCHEME) or not path.exists():
        return ()
    top, files = path, list[Path]()
    if path.is_file():
        top, files = path.parent, [path]
    else:
        for place in component_folders(path) or [path]:
            folder = read_folder(place)
            files += folder.files or [part for parts in folder.gguf[:1] for part in parts]
    found = []
    for file in files:
        name = file.relative_to(top).as_posix()
        with file.open("rb") as opened:
            found.append(RecordedFile(name, file.stat().st_size, file_digest(opened, "sha256").hexdigest()))
    return tuple(found)


def _parameters() -> dict[str, str]:
    return {each.name: str(each.value) for each in chart_parameters()}


def _absence(item: ReadModel, location: str) -> str:
    if location.startswith(SCHEME) or (location and Path(location).exists()):
        return ""
    return f"{item.id}: {location or 'its place is not known'} is not here"


def _changes(item: ReadModel, location: str) -> list[str]:
    """Return which files of a model are not those that the record names."""
    now = {file.name: file for file in hash_weight_files(location)}
    before = {file.name: file for file in item.files}
    return [
        f"{item.id}: {name} {'is not here' if name not in now else 'has changed' if name in before else 'is new'}"
        for name in sorted(before | now)
        if before.get(name) != now.get(name)
    ]


def _fingerprint_differences(record: OriginRecord, prints: Sequence[Fingerprint]) -> list[str]:
    return [
        f"{was.id}: the sample of its weights differs"
        for was, now in zip(record.models, prints, strict=True)
        if was.weights_hash != now.weights_hash
    ]


def _result_differences(record: OriginRecord, prints: Sequence[Fingerprint]) -> list[str]:
    queried = [item for item in prints if item.id == record.model]
    charts = chart_with_known(queried, prints, Resampler() if record.reread else None, time=record.use_dates)
    return list(differences(record.result, result_of(answer_origin(queried[0], prints, charts))))


def differences(before: Any, now: Any, place: str = "") -> list[str]:  # noqa: ANN401
    """Return where two JSON values differ; numbers may differ by `TOLERANCE`."""
    match before, now:
        case dict(), dict():
            return [
                text
                for key in sorted(before.keys() | now.keys())
                for text in differences(before.get(key), now.get(key), f"{place}.{key}".lstrip("."))
            ]
        case list(), list() if len(before) == len(now):
            return [
                text
                for at, pair in enumerate(zip(before, now, strict=True))
                for text in differences(*pair, f"{place}[{at}]")
            ]
        case (int() | float(), int() | float()):
            return [] if abs(before - now) <= TOLERANCE else [f"{place}: {before} in the record, {now} now"]
        case _:
            return [] if before == now else [f"{place}: {before!r} in the record, {now!r} now"]


def _versions(record: OriginRecord) -> list[str]:
    """Return which versions and constants are not those of the record."""
    out = []
    for what, was, now in (
        (SOFTWARE, record.software_version, version(DISTRIBUTION)),
        ("fingerprint", record.fingerprint_version, FINGERPRINT_VERSION),
    ):
        if was != now:
            out.append(f"{what} was of version {was}, and is of version {now} now")
    return out + differences(record.parameters, _parameters(), "parameters")


def encode_record(record: OriginRecord) -> bytes:
    """Return a record as JSON with sorted keys."""
    return msgspec.json.format(msgspec.json.encode(record, order="sorted"), indent=1) + b"\n"
