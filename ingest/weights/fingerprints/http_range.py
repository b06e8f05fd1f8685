"""Weights in a Hub repository, read by HTTP range (RFC 9110, section 14): headers and sampled rows alone."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from atlas_db.core.decoding import MalformedError, json_as, prepared
from atlas_db.core.errors import HubError, WeightsError
from atlas_db.core.files import MAX_TEXT_FILE
from ingest.formats.byte_source import require_few_bytes
from ingest.formats.model_folder import (
    ADAPTER_CONFIG,
    CONFIG,
    adapter_config,
    decode_object,
    gguf_candidates,
    safetensors_files,
)
from ingest.formats.open_model import (
    OpenModel,
    add_components,
    add_gguf,
    add_onnx,
    add_safetensors,
    require_matrices,
)
from ingest.formats.other_files import ONNX, READ_SUFFIXES, holds_weights, only_these, other_files
from ingest.formats.pipelines.pipeline_index import (
    PIPELINE_INDEX,
    holds_no_weights,
    read_pipeline_index,
    unread_outside,
)
from ingest.hub.api_listing import HubClient, endpoint

REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
SCHEME = "hub:"


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
            WeightsError: The Hub refuses, sends another number of bytes, or they are too many.
        """
        if start == stop:
            return b""
        require_few_bytes(self.name, stop - start)
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
        WeightsError: It holds neither safetensors, GGUF nor ONNX, or a file is damaged.
        HubError: The Hub refuses.
    """
    client = HubClient(time.sleep)
    files = {file.rfilename: file.size for file in _info(client, repository).siblings}
    root = _RemoteFolder(client, repository, revision, files)
    if PIPELINE_INDEX in files and any("/" in name and holds_weights({name.lower()}) for name in files):
        return _open_pipeline(root)
    return _open_folder(root)


class _RemoteFolder:
    """A folder of a repository.

    Attributes:
        location: Its address, for messages.
        files: Bytes of its files, and of those below, by their path within it.
    """

    def __init__(
        self, client: HubClient, repository: str, revision: str, files: Mapping[str, int], path: str = ""
    ) -> None:
        self.location = f"{SCHEME}{repository}{path and '/'}{path.rstrip('/')}"
        self.files = {name.removeprefix(path): size for name, size in files.items() if name.startswith(path)}
        self._client, self._repository, self._revision, self._path = client, repository, revision, path

    @property
    def address(self) -> str:
        """Address of the repository with its revision."""
        return f"{SCHEME}{self._repository}@{self._revision}"

    def below(self, name: str) -> _RemoteFolder:
        """Return a folder in it."""
        files = {f"{self._path}{file}": size for file, size in self.files.items()}
        return _RemoteFolder(self._client, self._repository, self._revision, files, f"{self._path}{name}/")

    def fetch(self, name: str) -> bytes:
        """Return a whole file.

        Raises:
            WeightsError: It is longer than a configuration may be.
        """
        if self.files.get(name, 0) > MAX_TEXT_FILE:
            raise WeightsError(f"{self.location}/{name}", f"is longer than {MAX_TEXT_FILE // 2**20} MiB")
        address = f"{endpoint()}/{self._repository}/resolve/{self._revision}/{quote(self._path + name)}"
        return bytes(self._client.get(address).content)

    def remote(self, name: str) -> RemoteFile:
        """Return a file that is read by ranges.

        Raises:
            WeightsError: It is not there.
        """
        if name not in self.files:
            raise WeightsError(f"{self.location}/{name}", "is not there")
        return RemoteFile(self._client, self._repository, self._revision, self._path + name, self.files[name])


def _open_folder(folder: _RemoteFolder) -> OpenModel:
    model = OpenModel(folder.address)
    model.others = other_files(folder.files.keys())
    chosen = safetensors_files(folder.files.keys(), folder.location, folder.fetch, model.problems)
    if not chosen:
        own = {name: size for name, size in folder.files.items() if "/" not in name}
        candidates = gguf_candidates(own, folder.location)
        if candidates:
            add_gguf(model, candidates, folder.remote)
        elif ONNX in model.others:
            model.config = _config(folder, model)
            add_onnx(model, model.others.pop(ONNX), folder.remote)
        else:
            found = f", {only_these(model.others)}" if model.others else ""
            raise WeightsError(folder.location, f"holds neither safetensors nor GGUF{found}")
    else:
        if ADAPTER_CONFIG in folder.files:
            model.adapter = adapter_config(_fetch_object(folder.fetch, ADAPTER_CONFIG, model.problems))
        model.config = _config(folder, model)
        add_safetensors(model, [folder.remote(name) for name in chosen])
    require_matrices(model, folder.location)
    return model


def _config(folder: _RemoteFolder, model: OpenModel) -> dict[str, Any]:
    return _fetch_object(folder.fetch, CONFIG, model.problems) if CONFIG in folder.files else {}


def _open_pipeline(root: _RemoteFolder) -> OpenModel:
    index = read_pipeline_index(root.fetch(PIPELINE_INDEX), f"{root.location}/{PIPELINE_INDEX}")
    own = [name for name in root.files if "/" not in name]
    model = OpenModel(root.address, others=other_files(own))
    if left_out := [name for name in own if name.lower().endswith(READ_SUFFIXES)]:
        model.problems.append(unread_outside(root.location, left_out))

    def component(name: str) -> OpenModel | None:
        folder = root.below(name)
        return None if holds_no_weights(index, name, folder.files, folder.location) else _open_folder(folder)

    add_components(model, index, component)
    return model


def _fetch_object(fetch: Callable[[str], bytes], name: str, problems: list[str]) -> dict[str, Any]:
    """Return a configuration; what cannot be read costs the configuration, not the weights."""
    try:
        return decode_object(fetch(name))
    except ValueError as error:
        problems.append(f"{name} cannot be read ({error})")
        return {}


def _info(client: HubClient, repository: str) -> _Info:
    response = client.get(f"{endpoint()}/api/models/{repository}?blobs=true")
    try:
        return json_as(response.content, _Info)
    except MalformedError as error:
        raise HubError(
            f"the Hub's answer on {repository} is not understood ({error})", hint="Check HF_ENDPOINT"
        ) from error
