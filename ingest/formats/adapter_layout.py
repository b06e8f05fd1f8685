"""Names of tensors in adapters: the module that each belongs to, and which part of its change it holds.

Adapters of peft lie beside an `adapter_config.json`. Those of diffusers and of kohya's trainer are single files, which
only the names of their tensors tell from whole models.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ingest.formats.tensor_names import canonical_name, canonical_names, is_in_block

_LORA = re.compile(
    r"(?P<module>.*?)(?:^|[._])lora(?:_linear_layer)?[._]"
    r"(?P<part>A|B|E|down|up|mid|embedding_A|embedding_B|magnitude_vector)(?:\.(?!bias$)\w+){0,2}"
)
"""LoRA by peft (`.lora_A.weight`), diffusers (`.lora.down.weight`) and kohya's trainer (`.lora_down.weight`)."""
_OTHERS = (
    "hada", "lokr", "oft", "boft", "vera", "pvera", "ia3", "ln_tuning", "trainable_tokens", "hra", "miss", "bone",
    "shira", "fourierft", "vblora", "randlora", "c3a", "road", "waveft", "delora", "gralora", "hira", "psoft",
    "tinylora", "unilora", "adamss", "beft", "deft", "frod", "glora", "lily", "osf", "peanut", "supertuning",
)  # fmt: skip
"""Prefixes of the parts of other kinds (peft 0.21.2, `PEFT_TYPE_TO_PREFIX_MAPPING`; bone: its former name of miss)."""
_OTHER = re.compile(rf"(?P<module>.*?)(?:^|\.)(?P<part>(?:{'|'.join(_OTHERS)})_\w+)(?:\.(?!bias$)\w+){{0,2}}")
_ROLES = {
    "A": "lora_down", "B": "lora_up", "E": "lora_scale", "down": "lora_down", "up": "lora_up", "mid": "lora_mid",
    "embedding_A": "embedding_down", "embedding_B": "embedding_up", "magnitude_vector": "magnitude",
}  # fmt: skip
_ENDS = {
    ".base_layer.weight": "base", ".original_module.weight": "base", ".modules_to_save.weight": "copy",
    ".alpha": "alpha", ".dora_scale": "magnitude", ".diff": "difference", ".diff_b": "difference_of_bias",
    ".w_norm": "difference", ".b_norm": "difference_of_bias", ".weight": "copy", ".bias": "bias",
}  # fmt: skip
"""Ends of names that hold whole tensors: of the base, trained copies, differences (LyCORIS), or scalars."""
_UPDATES = frozenset(
    {"lora_down", "embedding_down", "lokr_w1", "lokr_w1_a", "hada_w1_a", "oft_blocks", "oft_R", "ia3_l"}
)
"""Roles that no whole model has: a file with one of them, and with no matrix of a block, is an adapter."""
_MAX_NAME = 400
"""Characters of a name that is looked at: longer ones are no module's."""


class AdapterTensor(NamedTuple):
    """What a tensor of an adapter is.

    Attributes:
        module: Path of the module, as stored, without a wrapper; empty for tables that all modules share.
        role: Part of the change: `lora_down`, `lora_up`, `magnitude`, `hada_w1_a` …; of whole tensors `base`, `copy`
            and `bias`.
    """

    module: str
    role: str


def adapter_tensor(name: str) -> AdapterTensor:
    """Return the module and the role of a tensor of an adapter; the role is empty where the name has no known end.

    Args:
        name: Its name in the file, or its canonical one.
    """
    if len(name) > _MAX_NAME:
        return AdapterTensor(name, "")
    if (found := _LORA.fullmatch(name)) is not None:
        return AdapterTensor(_module(found["module"]), _ROLES[found["part"]])
    if (found := _OTHER.fullmatch(name)) is not None:
        return AdapterTensor(_module(found["module"]), found["part"])
    end = next((end for end in _ENDS if name.endswith(end)), None)
    return AdapterTensor(_module(name.removesuffix(end)), _ENDS[end]) if end else AdapterTensor(_module(name), "")


def _module(path: str) -> str:
    """Return a module's path without what only adapters add: wrappers of whole tensors, attention processors."""
    for wrapper in (".token_adapter", ".ln_tuning_layers", ".modules_to_save"):
        path = path.removesuffix(wrapper)
    return path.replace(".processor.", ".")


def holds_adapter(names: Iterable[str]) -> bool:
    """Return whether tensors of these names are an adapter: parts of updates, and no whole matrix of a block."""
    update = False
    for name in names:
        role = adapter_tensor(name).role
        if role in ("copy", "base") and is_in_block(name):
            return False
        update |= role in _UPDATES
    return update


class AdapterKind(NamedTuple):
    """A kind of adapters.

    Attributes:
        name: Its name in the field.
        roles: Beginnings of the roles of its tensors.
        traced: Whether its tensors keep a trace of the base.
    """

    name: str
    roles: tuple[str, ...]
    traced: bool = True


KINDS = (
    AdapterKind("DoRA", ("magnitude",)),
    AdapterKind("AdaLoRA", ("lora_scale",)),
    AdapterKind("LoRA", ("lora_", "embedding_")),
    AdapterKind("LoHa", ("hada_",)),
    AdapterKind("LoKr", ("lokr_",)),
    AdapterKind("OFT", ("oft_",)),
    AdapterKind("BOFT", ("boft_",), False),
    AdapterKind("VeRA", ("vera_", "pvera_"), False),
    AdapterKind("IA3", ("ia3_",), False),
    AdapterKind("LN tuning", ("ln_tuning_",)),
    AdapterKind("token rows", ("trainable_tokens_",)),
    AdapterKind("MiSS", ("miss_", "bone_")),
    AdapterKind("weight difference", ("difference",)),
)
"""Kinds by their tensors; the first that fits counts. Of other kinds the prefix of the tensors is the name."""


def adapter_kind(roles: Collection[str]) -> str:
    """Return the name of an adapter's kind, by the roles of its tensors; empty where there is none."""
    for kind in KINDS:
        if any(role.startswith(kind.roles) for role in roles):
            return kind.name
    return next((prefix for prefix in _OTHERS for role in sorted(roles) if role.startswith(f"{prefix}_")), "")


def untraced_kind(names: Iterable[str]) -> str:
    """Return the kind of an adapter whose tensors keep no trace of its base; empty where they may keep one.

    Args:
        names: Names of all its tensors.
    """
    roles = {adapter_tensor(name).role for name in names} - {""}
    if roles & {"base", "copy", "bias", "magnitude"}:
        return ""
    found = adapter_kind(roles)
    return found if not any(kind.traced for kind in KINDS if kind.name == found) else ""


class ModuleIndex:
    """Modules of a model by their path, whatever prefix, and whichever of `.` and `_`, an adapter writes it with."""

    def __init__(self, names: Iterable[str], config: Mapping[str, Any]) -> None:
        """Index matrices.

        Args:
            names: Their canonical names.
            config: Configuration of the model: adapters can have names of its files, which differ from those in memory.
        """
        self._config = config
        self._full: dict[str, str] = {}
        self._ends: dict[str, str | None] = {}
        for name in names:
            path = name.removesuffix(".weight")
            self._full[_flat(path)] = name
            for end in _ends(path):
                self._ends[end] = None if end in self._ends else name

    def find(self, module: str) -> str | None:
        """Return the name of the matrix of a module, None where no matrix or several have such a path.

        Args:
            module: Path of the module, as an adapter has it.
        """
        stored = f"{module}.weight"
        for name in (canonical_name(stored), *canonical_names((stored,), self._config)[stored][:1]):
            path = name.removesuffix(".weight")
            for end in (_flat(path), *_ends(path)):
                for tried in (end, f"{end}_0"):
                    found = self._full.get(tried) or self._ends.get(tried)
                    if found is not None:
                        return found
        return None


def _flat(path: str) -> str:
    return path.replace(".", "_")


def _ends(path: str) -> Iterator[str]:
    """Yield a path, flat, without its first component, its first two …, up to the name of what is numbered first."""
    flat = _flat(path)
    while "_" in flat:
        flat = flat.split("_", 1)[1]
        if not re.search(r"[^\d_]_\d+_", flat):
            return
        yield flat
