"""Records of single repositories from the Hub, kept on disk for a day.

Endpoint, token and `HF_HUB_OFFLINE` are those of huggingface_hub. Offline, what was ever kept is taken, however old.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from atlas_db.core.decoding import MalformedError, decode_json, read_json
from atlas_db.core.errors import HubError
from atlas_db.core.files import write_whole
from atlas_db.core.records import HubRecord
from atlas_db.core.terms import RecordKind
from ingest.hub.api_listing import EXPAND, HubClient, endpoint
from ingest.hub.decode import decode_one_of_many

MAX_AGE_SECONDS = 86_400
"""Age up to which a kept answer is not requested again."""
MAX_WAIT_SECONDS = 5.0
"""Seconds between two attempts, at most: a person or a pipeline waits."""
_NOT_THERE = frozenset({400, 401, 403, 404, 410, 451})
"""Statuses for a repository that does not exist, or that this token may not see. The Hub does not tell them apart."""


class _Kept(msgspec.Struct):
    """An answer on disk: when it was given, and the body; None where the Hub has no such repository."""

    requested: float
    body: dict[str, Any] | None


class HubRecords:
    """Requests records of single repositories.

    Args:
        cache: Folder for answers.
        sleep: Waits for some seconds.
        clock: Returns seconds since the epoch.

    Attributes:
        offline: Whether `HF_HUB_OFFLINE` is set, so that nothing is requested.
        requested: Number of requests so far.
    """

    def __init__(
        self, cache: Path, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.time
    ) -> None:
        from huggingface_hub import constants

        self.offline = bool(constants.HF_HUB_OFFLINE)
        self.requested = 0
        self._cache, self._clock = cache, clock
        self._client = HubClient(lambda seconds: sleep(min(seconds, MAX_WAIT_SECONDS)))

    def record(self, kind: RecordKind, identifier: str) -> HubRecord | None:
        """Return the record of a repository; None where the Hub has none that we may see, or it was not requested.

        The record has the id that the repository bears today, which is another than the one requested after a renaming.

        Raises:
            HubError: The Hub does not answer.
            RecordError: Its record cannot be read.
        """
        url = f"{endpoint()}/api/{kind}s/{quote(identifier)}"
        file = self._cache / f"{hashlib.sha256(url.encode()).hexdigest()}.json"
        kept = _read(file)
        if kept is None or (not self.offline and self._clock() - kept.requested > MAX_AGE_SECONDS):
            if self.offline:
                return None
            kept = _Kept(self._clock(), self._request(url, kind))
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, msgspec.json.encode(kept))
        if kept.body is None:
            return None
        return decode_one_of_many(msgspec.json.encode(kept.body), kind)

    def _request(self, url: str, kind: RecordKind) -> dict[str, Any] | None:
        fields = (*EXPAND[f"{kind}s"], *(("baseModels",) if kind is RecordKind.MODEL else ()))
        self.requested += 1
        try:
            response = self._client.get(f"{url}?{'&'.join(f'expand={each}' for each in fields)}")
            value, _ = decode_json(response.content)
        except HubError as error:
            if error.status in _NOT_THERE:
                return None
            raise HubError(error.message, hint="Try again later, or leave --online out", status=error.status) from error
        except ValueError as error:
            raise HubError(f"the Hub's answer is not JSON ({error})", hint="Check HF_ENDPOINT") from error
        if not isinstance(value, dict):
            raise HubError("the Hub's answer is no record", hint="Check HF_ENDPOINT")
        return value


def _read(file: Path) -> _Kept | None:
    """Return a kept answer; None where there is none, or it is damaged."""
    try:
        return read_json(file, _Kept)
    except (OSError, MalformedError):
        return None
