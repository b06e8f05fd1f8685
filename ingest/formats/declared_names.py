"""What transformers declares of the names of tensors, read from a data file, and names of files as memory has them.

The file is written by `python -m benchmarks.tensor_declarations` from the installed package. Files keep the names of
the version that first wrote them; memory has today's. Names come from foreign files, so their length is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import msgspec

from atlas_db.core.decoding import prepared

DECLARATIONS = Path(__file__).parent / "data" / "transformers_names.json"
LEGACY = "legacy"
"""Key of the conversions that apply to all classes, after their own."""
MAX_NAME_LENGTH = 512
"""Characters of a name up to which patterns are tried: bounds their time."""


@prepared
class Declarations(msgspec.Struct):
    """The data file.

    Attributes:
        source: Package and version.
        prefixes: Prefixes of a model within a model with a head, with which no model without a head begins a name.
        vocabulary: Ends of names that only tables with a row a token have.
        transposed: Ends of names of matrices stored in × out, by type of the model.
        experts: Parts of each fused tensor of experts, in order.
        places: Prefix to take away and prefix to put in its place, by class.
        classes: Prefix of the model within the class, and conversions: key, and path within the model or None.
        model_types: Class that stands for a type, for classes that are not known.
        conversions: Pattern and replacement, or pattern and names of parts, in order, by key.
        left_out: Conversions that are not expressed here.
    """

    source: str
    prefixes: list[str]
    vocabulary: list[str]
    transposed: dict[str, list[str]]
    experts: dict[str, list[str]]
    places: dict[str, tuple[str, str]]
    classes: dict[str, tuple[str, list[tuple[str, str | None]]]]
    model_types: dict[str, str]
    conversions: dict[str, list[tuple[str, str | list[str]]]]
    left_out: list[str]


@cache
def declarations() -> Declarations:
    """Return the declarations."""
    return msgspec.json.decode(DECLARATIONS.read_bytes(), type=Declarations)


@dataclass(frozen=True, slots=True)
class _Conversion:
    """One conversion.

    Attributes:
        pattern: What it replaces.
        replacements: One name, or those of equal parts.
        scopes: Prefixes under which it applies, the longest first; none where it applies to the whole name.
    """

    pattern: re.Pattern[str]
    replacements: tuple[str, ...]
    scopes: tuple[str, ...]

    def apply(self, name: str) -> tuple[str, ...]:
        """Return the converted name, or the names of the parts; none where the pattern does not match.

        As in transformers, the first occurrence of the text that matched is replaced, wherever it matched.
        """
        scope = next((each for each in self.scopes if name.startswith(each)), None if self.scopes else "")
        if scope is None:
            return ()
        rest = name[len(scope) :]
        match = self.pattern.search(rest)
        if match is None:
            return ()
        inner = match[1] if match.re.groups else ""
        made = (text.replace("\\1", inner or "") for text in self.replacements)
        return tuple(scope + rest.replace(match[0], text, 1) for text in made)


@dataclass(frozen=True, slots=True)
class ModelNames:
    """Names of the tensors of one class of models.

    Attributes:
        renamings: All are tried, one after the other.
        converters: Then these, up to the first that fits.
        place: Prefix to take away, and prefix to put in its place.
        transposed: Ends of names of matrices stored in × out.
    """

    renamings: tuple[_Conversion, ...] = ()
    converters: tuple[_Conversion, ...] = ()
    place: tuple[str, str] = ("", "")
    transposed: tuple[str, ...] = ()

    def in_memory(self, name: str) -> tuple[str, ...]:
        """Return the name in memory of a tensor in a file; several names where memory holds it in equal parts."""
        if len(name) > MAX_NAME_LENGTH:
            return (name,)
        for renaming in self.renamings:
            name = next(iter(renaming.apply(name)), name)
        names = next((found for each in self.converters if (found := each.apply(name))), (name,))
        return tuple(self._placed(each) for each in names)

    @property
    def splits_experts(self) -> bool:
        """Whether files of this class hold experts one by one that memory holds fused."""
        return any("\\1" in each.replacements[0] for each in self.converters)

    def is_transposed(self, name: str) -> bool:
        """Whether a matrix is stored in × out."""
        return name.endswith(self.transposed)

    def _placed(self, name: str) -> str:
        prefix, place = self.place
        if prefix and not name.startswith(f"{prefix}."):
            return name
        rest = name[len(prefix) + 1 :] if prefix else name
        return f"{place}.{rest}" if place else rest


def model_names(config: Mapping[str, Any]) -> ModelNames:
    """Return the names of a model's class by its `config.json`: by `architectures`, else by `model_type`."""
    stated = config.get("architectures")
    architecture = stated[0] if isinstance(stated, list) and stated and isinstance(stated[0], str) else ""
    model_type = config.get("model_type")
    return _model_names(architecture, model_type if isinstance(model_type, str) else "")


@lru_cache(256)
def _model_names(architecture: str, model_type: str) -> ModelNames:
    declared = declarations()
    name = architecture if architecture in declared.classes else declared.model_types.get(model_type, "")
    prefix, steps = declared.classes.get(name, ("", []))
    renamings, converters = list[_Conversion](), list[_Conversion]()
    for key, path in [*steps, (LEGACY, None)]:
        scopes: tuple[str, ...] = ()
        if path is not None:
            inner = f"{path}." if path else ""
            scopes = tuple(dict.fromkeys((f"{prefix}.{inner}" if prefix else inner, inner)))
        for pattern, text in declared.conversions.get(key, []):
            if isinstance(text, str):
                renamings.append(_Conversion(re.compile(pattern), (text,), scopes))
            else:
                converters.append(_Conversion(re.compile(pattern), tuple(text), scopes))
    ends = tuple(f".{end}" for end in declared.transposed.get(model_type, ()))
    return ModelNames(tuple(renamings), tuple(converters), declared.places.get(architecture, ("", "")), ends)
