"""The index of a pipeline of diffusers, `model_index.json`: names and classes of its components, each in a folder.

The denoiser is what a pipeline is trained as. Autoencoders and text encoders are shared by pipelines that are not
related, so they are compared as wholes, and never make a lineage.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from atlas_db.core.errors import WeightsError
from atlas_db.core.files import read_bounded
from ingest.formats.model_folder import CONFIG, decode_object
from ingest.formats.other_files import holds_weights

PIPELINE_INDEX = "model_index.json"
_MAX_INDEX = 2**20
_FOLDER = re.compile(r"\w{1,64}")
_FIRST_DENOISERS = ("transformer", "unet")
"""Usual names of the only denoiser, whose tensors keep their names."""
_DENOISER_CLASS = re.compile(r"UNet|UVit|DiT|Transformer|WuerstchenPrior|WuerstchenDiffNeXt|FilmDecoder")
_OTHER_CLASS = re.compile(r"V[Aa][Ee]|Autoencoder|ControlNet|Adapter")
_ENCODERS_LIBRARY = "transformers"
_LANGUAGE_MODEL = "model"
"""Name of the denoiser in pipelines of diffusing language models, whose class may be any."""
_WITHOUT_WEIGHTS = re.compile(r"Tokenizer|Scheduler|Processor|Extractor|Guid(?:er|ance)")


@dataclass(frozen=True, slots=True)
class PipelineIndex:
    """Components of a pipeline.

    Attributes:
        classes: Class of each component by its name, which is that of its folder, without those that are left out.
        denoisers: Names of the denoisers: first the one whose tensors keep their names.
    """

    classes: dict[str, str]
    denoisers: tuple[str, ...]


def read_pipeline_index(data: bytes, place: str) -> PipelineIndex:
    """Return the components of a pipeline.

    Args:
        data: `model_index.json`.
        place: Its path, for messages.

    Raises:
        WeightsError: It cannot be read, or names no component that is a denoiser.
    """
    try:
        stated = decode_object(data)
    except ValueError as error:
        raise WeightsError(place, f"cannot be read ({error})") from error
    pairs = {
        name: (str(value[0]), value[1])
        for name, value in stated.items()
        if isinstance(value, list) and len(value) == 2 and isinstance(value[1], str) and _FOLDER.fullmatch(name)
    }
    found = [name for name, (library, kind) in sorted(pairs.items()) if _is_denoiser(name, library, kind)]
    if not found and _LANGUAGE_MODEL in pairs:
        found = [_LANGUAGE_MODEL]
    if not found:
        raise WeightsError(place, "names no denoiser (a UNet or transformer), so the pipeline cannot be compared")
    found.sort(key=lambda name: name not in _FIRST_DENOISERS)
    return PipelineIndex({name: kind for name, (_, kind) in sorted(pairs.items())}, tuple(found))


def _is_denoiser(name: str, library: str, kind: str) -> bool:
    if name in _FIRST_DENOISERS:
        return True
    return library != _ENCODERS_LIBRARY and bool(_DENOISER_CLASS.search(kind)) and not _OTHER_CLASS.search(kind)


def pipeline_index_of(folder: Path) -> PipelineIndex:
    """Return the components of a pipeline.

    Raises:
        WeightsError: Its index cannot be read, or names no denoiser.
    """
    file = folder / PIPELINE_INDEX
    try:
        with file.open("rb") as handle:
            data = read_bounded(handle, _MAX_INDEX)
    except OSError as error:
        raise WeightsError(str(file), f"cannot be read ({error})") from error
    return read_pipeline_index(data, str(file))


def component_folders(folder: Path) -> list[Path]:
    """Return the folders of a pipeline that hold weights, read or not; none where a folder is no pipeline.

    Where the index cannot be read, all folders count: parts of a pipeline are no models.

    Args:
        folder: The pipeline.
    """
    if not (folder / PIPELINE_INDEX).is_file():
        return []
    try:
        names = [*pipeline_index_of(folder).classes]
    except WeightsError:
        names = sorted(each.name for each in folder.iterdir() if each.is_dir())
    return [folder / name for name in names if (folder / name).is_dir() and holds_weights(_names(folder / name))]


def _names(folder: Path) -> set[str]:
    return {file.name.lower() for file in folder.iterdir() if file.is_file()}


def holds_no_weights(index: PipelineIndex, name: str, names: Iterable[str], place: str) -> bool:
    """Return whether a component consists of no weights, such as a tokenizer.

    Args:
        index: The pipeline.
        name: The component.
        names: Names of the files in its folder.
        place: Its path, for messages.

    Raises:
        WeightsError: It should have weights, and its folder has none.
    """
    small = {each.lower() for each in names}
    if holds_weights(small):
        return False
    if not _WITHOUT_WEIGHTS.search(index.classes[name]) and (not small or CONFIG in small):
        raise WeightsError(place, "holds no weights")
    return True


def unread_outside(location: str, names: Sequence[str]) -> str:
    """Return the note on files of weights that are in no component of a pipeline."""
    return f"{location} holds other weights beside the pipeline, not read: {', '.join(names[:3])}"
