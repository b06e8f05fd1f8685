"""A model's folder in the Hub's layout: weight files, pickles, which are never opened, and configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeVar

import msgspec

from atlas_db.core.decoding import prepared
from atlas_db.core.errors import WeightsError

T = TypeVar("T")
INDEX = "model.safetensors.index.json"
ADAPTER_CONFIG = "adapter_config.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
"""Reading these can run code of their author: they are counted and reported, and never opened."""


@prepared
class Index(msgspec.Struct):
    """Index of a sharded model.

    Attributes:
        weight_map: Name of the shard by name of the tensor.
    """

    weight_map: dict[str, str]


@prepared
class AdapterConfig(msgspec.Struct):
    """Configuration of a PEFT adapter (`adapter_config.json` of the package peft), in part.

    Attributes:
        peft_type: LORA …
        r: Rank.
        lora_alpha: Numerator of the scale.
        use_rslora: Whether the scale is alpha over the square root of the rank (rsLoRA).
        use_dora: Whether magnitudes are learned separately (DoRA).
        rank_pattern: Rank by suffix of the module name.
        alpha_pattern: Alpha by suffix of the module name.
        base_model_name_or_path: Base model as the author declares it; no evidence from weights.
    """

    peft_type: str = ""
    r: int = 8
    lora_alpha: float = 8
    use_rslora: bool = False
    use_dora: bool = False
    rank_pattern: dict[str, int] = {}
    alpha_pattern: dict[str, float] = {}
    base_model_name_or_path: str | None = None

    def scale(self, module: str) -> float:
        """Return the scale of a module's update: alpha / r, or alpha / √r with rsLoRA (package peft)."""
        rank = next((value for end, value in self.rank_pattern.items() if module.endswith(end)), self.r)
        alpha = next((value for end, value in self.alpha_pattern.items() if module.endswith(end)), self.lora_alpha)
        return alpha / (rank**0.5 if self.use_rslora else rank)


@dataclass(slots=True)
class ModelFolder:
    """The weight files of one model.

    Attributes:
        path: The folder.
        files: Safetensors files, in order.
        gguf: GGUF files, in order.
        pickles: Names of files that are never opened.
        adapter: Configuration, where it is an adapter.
        config: `config.json`, where it can be read.
    """

    path: Path
    files: list[Path] = field(default_factory=list)
    gguf: list[Path] = field(default_factory=list)
    pickles: list[str] = field(default_factory=list)
    adapter: AdapterConfig | None = None
    config: dict[str, object] = field(default_factory=dict)


def read_folder(path: Path) -> ModelFolder:
    """Return the weight files of a model's folder.

    Args:
        path: The folder.

    Raises:
        WeightsError: An index names files outside of the folder or that are not there, or a configuration is broken.
    """
    folder = ModelFolder(path)
    names = sorted(file.name for file in path.iterdir() if file.is_file())
    folder.pickles = [name for name in names if name.lower().endswith(PICKLES)]
    folder.gguf = [path / name for name in names if name.lower().endswith(".gguf")]
    if INDEX in names:
        folder.files = _shards(path)
    else:
        folder.files = [path / name for name in names if name.lower().endswith(".safetensors")]
    if ADAPTER_CONFIG in names:
        folder.adapter = _read_json(path / ADAPTER_CONFIG, AdapterConfig)
    if "config.json" in names:
        folder.config = _read_json(path / "config.json", dict[str, object])
    return folder


def _shards(path: Path) -> list[Path]:
    names = shard_names(_read_json(path / INDEX, Index), str(path / INDEX), lambda name: (path / name).is_file())
    return [path / name for name in names]


def shard_names(index: Index, location: str, exists: Callable[[str], bool]) -> list[str]:
    """Return the shards that an index names, in order.

    Args:
        index: The index.
        location: Its path, for messages.
        exists: Returns whether a file of the folder exists.

    Raises:
        WeightsError: It names a file that is outside of its folder, or does not exist.
    """
    names = sorted(set(index.weight_map.values()))
    for name in names:
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts or "\\" in name or not name.endswith(".safetensors"):
            raise WeightsError(location, f"names the shard {name!r}, which is no file of this folder")
        if not exists(name):
            raise WeightsError(location, f"names the shard {name!r}, which is not there")
    return names


def _read_json(path: Path, kind: type[T]) -> T:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(str(path), f"cannot be read ({error})") from error
    return decode_json(data, kind, str(path))


def decode_json(data: bytes, kind: type[T], location: str) -> T:
    """Decode a configuration file.

    Raises:
        WeightsError: It is no JSON, or not of that kind.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise WeightsError(location, f"cannot be read ({error})") from error
