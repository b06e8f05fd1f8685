"""Weights in a Hub repository, read by HTTP range (RFC 9110, section 14): headers and sampled rows alone."""

from __future__ import annotations

import re
import time
from typing import TypeVar
from urllib.parse import quote

import msgspec

from atlas_db.core.decoding import prepared
from atlas_db.core.errors import HubError, WeightsError
from ingest.formats.byte_source import ByteSource
from ingest.formats.model_folder import INDEX, PICKLES, AdapterConfig, Index, decode_json, shard_names
from ingest.formats.open_model import OpenModel, add_gguf, add_safetensors
from ingest.hub.api_listing import HubClient, endpoint

T = TypeVar("T")
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
SCHEME = "hub:"
_UNSHARDED = ("model.safetensors", "adapter_model.safetensors")


class _File(msgspec.Struct):
    rfilename: str
    size: int = 0


@prepared
class _Info(msgspec.Struct):
    sha: str = "main"
    createdAt: str = ""
    siblings: list[_File] = []


class RemoteFile:
    """One file of a repository, read by ranges.

    Attributes:
        name: Address without the host.
        size: Length in bytes, by the Hub's listing.
        bytes_read: Bytes asked for so far.
    """

    def __init__(self, client: HubClient, repository: str, revision: str, file: str, size: int) -> None:
        self.name = f"{SCHEME}{repository}/{file}"
        self.size = size
        self.bytes_read = 0
        self._client = client
        self._url = f"{endpoint()}/{repository}/resolve/{revision}/{quote(file)}"

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` up to `stop`.

        Raises:
            WeightsError: The Hub refuses, or sends another number of bytes.
        """
        if start == stop:
            return b""
        try:
            data = bytes(self._client.get(self._url, f"{start}-{stop - 1}").content)
        except HubError as error:
            raise WeightsError(self.name, f"cannot be read ({error.message})") from error
        if len(data) != stop - start:
            raise WeightsError(self.name, f"sends {len(data):,} bytes where {stop - start:,} were asked for")
        self.bytes_read += len(data)
        return data


def revision_and_date(repository: str) -> tuple[str, str]:
    """Return the revision and the date of a repository.

    Raises:
        HubError: The Hub refuses, or there is no such repository.
    """
    info = _info(HubClient(time.sleep), repository)
    return info.sha, info.createdAt


def open_remote(repository: str, revision: str) -> OpenModel:
    """Open the weights of a repository; rows are fetched on demand.

    Args:
        repository: `owner/name`.
        revision: Commit.

    Raises:
        WeightsError: It holds neither safetensors nor GGUF, or a file is damaged.
        HubError: The Hub refuses.
    """
    client = HubClient(time.sleep)
    files = {file.rfilename: file.size for file in _info(client, repository).siblings}
    model = OpenModel(f"{SCHEME}{repository}@{revision}")
    model.pickles = sorted(name for name in files if name.lower().endswith(PICKLES))
    chosen = _safetensors_files(client, repository, revision, files)
    if not chosen:
        gguf_files = [name for name in files if name.lower().endswith(".gguf")]
        if not gguf_files:
            raise WeightsError(f"{SCHEME}{repository}", "holds neither safetensors nor GGUF")
        # Several files are the same model at several sizes: the largest is the least quantized.
        largest = max(gguf_files, key=lambda name: (files[name], name))
        add_gguf(model, RemoteFile(client, repository, revision, largest, files[largest]))
        return model
    sources: list[ByteSource] = [RemoteFile(client, repository, revision, name, files[name]) for name in chosen]
    if "adapter_config.json" in files:
        model.adapter = _fetch_json(client, repository, revision, "adapter_config.json", AdapterConfig)
    add_safetensors(model, sources)
    return model


def _safetensors_files(client: HubClient, repository: str, revision: str, files: dict[str, int]) -> list[str]:
    if INDEX in files:
        index = _fetch_json(client, repository, revision, INDEX, Index)
        return shard_names(index, f"{SCHEME}{repository}/{INDEX}", files.__contains__)
    return [name for name in _UNSHARDED if name in files] or sorted(
        name for name in files if name.endswith(".safetensors") and "/" not in name
    )


def _info(client: HubClient, repository: str) -> _Info:
    response = client.get(f"{endpoint()}/api/models/{repository}?blobs=true")
    try:
        return msgspec.json.decode(response.content, type=_Info)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise HubError(
            f"the Hub's answer on {repository} is not understood ({error})", hint="Check HF_ENDPOINT"
        ) from error


def _fetch_json(client: HubClient, repository: str, revision: str, file: str, kind: type[T]) -> T:
    response = client.get(f"{endpoint()}/{repository}/resolve/{revision}/{file}")
    return decode_json(response.content, kind, f"{SCHEME}{repository}/{file}")
