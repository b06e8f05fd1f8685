"""All public errors. Each message ends with what to do next.

AtlasError
├── UsageError                  arguments do not fit together                     exit 2
│   ├── QueryNotFoundError
│   ├── QueryParameterError
│   ├── CypherError             the user's own Cypher is malformed, or fails
│   ├── CatalogueError          a broken row of the licence data
│   ├── LicenseNotFoundError
│   ├── PolicyError             a policy of the gate is malformed
│   ├── SuppressionError        malformed, or expired
│   └── WriteRefusedError
├── InputError                  nothing readable came in                          exit 3
│   ├── RecordError             one bad record: set aside, the run goes on
│   ├── ModelNotFoundError
│   ├── ModelNotProbedError     its fingerprint has no forward probe
│   ├── CompletionError         the data are too few or unsound for training
│   │   └── EmptyStoreError     the store holds no models
│   ├── WeightsError            one damaged weight file: counted, the batch goes on
│   ├── HubError                the Hub refused, or every retry failed
│   └── ScorerError             the file of fitted models is another version's
├── IncompleteAuditError        the atlas lacks records that the audit needs      exit 5
├── BomError                    a bill of materials would be invalid              exit 4
└── StoreError                  the store                                         exit 4
    ├── StoreUnavailableError   it cannot be reached or started
    ├── StoreRefusedError       it refused a request
    ├── TimeLimitError          a query took longer than the time limit
    ├── StoreLockedError        another process holds it
    ├── SchemaVersionError      it was written by another schema
    ├── RollbackError           the run cannot be rolled back
    └── EvidenceError           a claim rests on evidence of another version
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from atlas_db.core.safe_text import cut

SIMILAR, EQUALLY_SIMILAR = 0.6, 0.1
"""Ratio of matching characters from which a name is suggested, and distance to the best one within which others are."""


def did_you_mean(name: str, known: Iterable[str], *, similar: float = SIMILAR) -> str:
    """Return a question with the names that are most similar to a mistyped one; empty where none is.

    Args:
        name: The mistyped name.
        known: Names that are there.
        similar: Least ratio of matching characters (Ratcliff and Obershelp), 0 to 1.
    """
    by_lower = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=similar)
    ratios = [difflib.SequenceMatcher(None, each, name.lower()).ratio() for each in near]
    best = [by_lower[each] for each, ratio in zip(near, ratios, strict=True) if ratio >= ratios[0] - EQUALLY_SIMILAR]
    return f"Did you mean {' or '.join(best)}?" if best else ""


FAULT = "fault"
"""Code of an item of a batch that met an exception which nobody foresaw."""
_OURS = frozenset({"atlas_db", "ingest", "gnn", "cypher"})


def fault_text(error: Exception) -> str:
    """Return what a report of an unforeseen exception needs: its type, the last line of ours in its trace, its text."""
    place, trace = "", error.__traceback__
    while trace is not None:
        if str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0] in _OURS:
            place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    reason = str(error).strip()
    return f"a fault of atlas-db: {type(error).__name__}{place}" + (f" ({cut(reason)})" if reason else "")


class AtlasError(Exception):
    """Root of the tree.

    Attributes:
        message: What failed.
        hint: What to type or to check next.
        exit_code: Exit code of the command line.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message}. {hint}" if hint else message)


class UsageError(AtlasError, ValueError):
    """The arguments of a call do not fit together."""

    exit_code = 2


class QueryNotFoundError(UsageError, LookupError):
    """No query of that name is shipped."""


class QueryParameterError(UsageError):
    """A parameter is missing, unknown or of the wrong type."""


class CypherError(UsageError):
    """The user's own Cypher is malformed, or fails on what it reads. The message is the engine's."""


class CatalogueError(UsageError):
    """A row of the licence catalogue, the rules or the profiles is broken. The message names it."""


class PolicyError(UsageError):
    """A policy of the gate is malformed, or names what there is not."""


class SuppressionError(UsageError):
    """A suppression is malformed, names an unknown rule, or has expired."""


class LicenseNotFoundError(UsageError, LookupError):
    """The catalogue knows no licence of that id."""


class WriteRefusedError(UsageError):
    """A read-only query tried to write."""


class InputError(AtlasError):
    """Nothing readable came in."""

    exit_code = 3


class RecordError(InputError, ValueError):
    """One record cannot be used. It goes to the reject report; the run goes on.

    Attributes:
        code: Machine-readable reason.
    """

    def __init__(self, reason: str, *, code: str) -> None:
        self.code = code
        super().__init__(reason)


class ModelNotFoundError(InputError, LookupError):
    """The graph holds no model of that id.

    Attributes:
        model: The id.
        near: Similar ids that it holds.

    Args:
        model: The id.
        near: Similar ids that it holds.
        newest: Date of its newest record, in words.
        named: True where other models name it.
    """

    def __init__(self, model: str, near: Sequence[str] = (), *, newest: str = "", named: bool = False) -> None:
        self.model = model
        self.near = tuple(near)
        atlas = f"this atlas ({newest})" if newest else "this atlas"
        search = "Look for it with atlas-db query search --param text=…"
        hint = f"Did you mean {' or '.join(near)}?" if near else search
        if named:
            super().__init__(
                f"there is no record of {model!r} in {atlas}: others only name it", hint="Fetch or load its record"
            )
        else:
            super().__init__(f"there is no model {model!r} in {atlas}", hint=hint)


class ModelNotProbedError(InputError, LookupError):
    """The fingerprints hold no forward probe of the model.

    Attributes:
        model: The id.
    """

    def __init__(self, model: str, *, hint: str) -> None:
        self.model = model
        super().__init__(f"{model} was not probed", hint=hint)


class WeightsError(InputError, ValueError):
    """A weight file is damaged, contradicts its own header, or has a kind that is never opened. The batch goes on.

    Attributes:
        file: The file.
        reason: What is wrong with it.
    """

    def __init__(self, file: str, reason: str, hint: str = "Fetch the file again, or leave the model out") -> None:
        self.file = file
        self.reason = reason
        super().__init__(f"{file} {reason}", hint=hint)


class CompletionError(InputError):
    """The data are too few or unsound for training. Nothing was written."""


class EmptyStoreError(CompletionError):
    """The store holds no models."""


class HubError(InputError):
    """The Hub refused a call, or every retry failed.

    Attributes:
        status: Status code of the refusal; 0 where there was no answer.
    """

    def __init__(self, message: str, *, hint: str = "", status: int = 0) -> None:
        self.status = status
        super().__init__(message, hint=hint)


class ScorerError(InputError):
    """The file of fitted models is damaged, or was fitted on other features or by another version."""


class IncompleteAuditError(AtlasError):
    """The atlas lacks records that an audit needs: it is empty, an ancestor has none, or a model is newer."""

    exit_code = 5


class BomError(AtlasError):
    """A bill of materials would be invalid."""

    exit_code = 4


class StoreError(AtlasError):
    """The store failed."""

    exit_code = 4


class StoreUnavailableError(StoreError, ConnectionError):
    """The store cannot be reached or started."""


class StoreRefusedError(StoreError):
    """The store refused a request.

    Attributes:
        code: Error code of the server.
    """

    def __init__(self, message: str, *, code: str = "", hint: str = "") -> None:
        self.code = code
        super().__init__(message, hint=hint)


class TimeLimitError(StoreError, TimeoutError):
    """A query took longer than the time limit, and was ended."""


class StoreLockedError(StoreError):
    """Another process owns the data directory, or another load is writing."""


class SchemaVersionError(StoreError):
    """The store was written under another version of the schema."""


class RollbackError(StoreError):
    """The run cannot be rolled back."""


class EvidenceError(StoreError):
    """A claim in the store rests on evidence that this version cannot read."""
