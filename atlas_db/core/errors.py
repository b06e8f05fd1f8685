"""Every error that crosses our border. Each message ends with what to do next.

AtlasError
├── UsageError                  the call's words do not fit together              exit 2
│   ├── QueryNotFoundError
│   ├── QueryParameterError
│   ├── CatalogueError          a broken row of the licence data
│   ├── LicenseNotFoundError
│   ├── SuppressionError        malformed, or expired
│   └── WriteRefusedError
├── InputError                  nothing readable came in                          exit 3
│   ├── RecordError             one bad record: set aside, the run goes on
│   ├── ModelNotFoundError
│   ├── CompletionError         there is too little, or nothing sound, to learn from
│   │   └── EmptyStoreError     the store holds no models
│   ├── WeightsError            one damaged weight file: counted, the batch goes on
│   ├── HubError                the Hub refused, or broke off for good
│   └── ScorerError             the file of fitted models is another version's
├── BomError                    a bill of materials would be invalid              exit 4
└── StoreError                  the store                                         exit 4
    ├── StoreUnavailableError   we cannot reach or start it
    ├── StoreRefusedError       it answered no
    ├── StoreLockedError        somebody else holds it
    ├── SchemaVersionError      it was written by another schema
    ├── RollbackError           the run cannot be rolled back
    └── EvidenceError           a claim rests on evidence of another version
"""

from __future__ import annotations


class AtlasError(Exception):
    """Root of the tree. `hint` is the next thing to type or to check."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message}. {hint}" if hint else message)


class UsageError(AtlasError, ValueError):
    """The call's words do not fit together."""

    exit_code = 2


class QueryNotFoundError(UsageError):
    """No query of that name is shipped."""


class QueryParameterError(UsageError):
    """A parameter is missing, unknown or of the wrong type."""


class CatalogueError(UsageError):
    """A row of the licence catalogue, the rules or the profiles is broken. The message names it."""


class SuppressionError(UsageError):
    """A suppression is malformed, names an unknown rule, or has expired."""


class LicenseNotFoundError(UsageError):
    """The catalogue knows no licence of that id."""


class WriteRefusedError(UsageError):
    """A read-only query tried to write."""


class InputError(AtlasError):
    """Nothing readable came in."""

    exit_code = 3


class RecordError(InputError):
    """One record cannot be used. It goes to the reject report; the run goes on."""

    def __init__(self, reason: str, *, code: str) -> None:
        self.code = code
        super().__init__(reason)


class ModelNotFoundError(InputError):
    """The graph holds no model of that id."""


class WeightsError(InputError):
    """A weight file is damaged, lies about itself, or is of a kind that is never opened. The batch goes on."""

    def __init__(self, file: str, reason: str) -> None:
        self.file = file
        self.reason = reason
        super().__init__(f"{file} {reason}", hint="Fetch the file again, or leave the model out")


class CompletionError(InputError):
    """There is too little, or nothing sound, to learn from. Nothing was written."""


class EmptyStoreError(CompletionError):
    """The store holds no models."""


class HubError(InputError):
    """The Hub refused a call, or kept breaking off."""


class ScorerError(InputError):
    """The file of fitted models is damaged, or was fitted on other features or by another version."""


class BomError(AtlasError):
    """A bill of materials would be invalid."""

    exit_code = 4


class StoreError(AtlasError):
    """The store failed."""

    exit_code = 4


class StoreUnavailableError(StoreError, ConnectionError):
    """The store cannot be reached or started."""


class StoreRefusedError(StoreError):
    """The store answered no. `code` is the server's own."""

    def __init__(self, message: str, *, code: str = "", hint: str = "") -> None:
        self.code = code
        super().__init__(message, hint=hint)


class StoreLockedError(StoreError):
    """Another process owns the data directory, or another load is writing."""


class SchemaVersionError(StoreError):
    """The store was written under another version of the schema."""


class RollbackError(StoreError):
    """The run cannot be rolled back."""


class EvidenceError(StoreError):
    """A claim in the store rests on evidence that this version cannot read."""
