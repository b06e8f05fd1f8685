"""What an atlas knows about a model: its record, its weights alone, or no more than its name."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from atlas_db.store.bolt import Store
from atlas_db.store.statements import Statement

MODEL_TYPES = Statement(
    "MATCH (m:Model {weights_architecture: $architecture}) WHERE m.model_type IS NOT NULL "
    "RETURN DISTINCT m.model_type AS model_type ORDER BY model_type"
)
_MEASURES = ("architecture", "layers", "elements", "bytes", "dtype", "family")


class Knowledge(StrEnum):
    """What an atlas knows about a model."""

    RECORD = "record"
    WEIGHTS = "weights"
    NAME = "name"


def knowledge_of(props: Mapping[str, Any]) -> Knowledge:
    """Return what is known about a model, by the properties of its node."""
    if not props.get("placeholder"):
        return Knowledge.RECORD
    return Knowledge.WEIGHTS if props.get("weights_hash") else Knowledge.NAME


def describe_weights(store: Store, props: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the weights of a charted model show.

    Args:
        store: The store.
        props: Properties of the model's node.

    Returns:
        `architecture` (hash of tensor names and shapes), `model_types` (what recorded models of that architecture
        declare), `layers`, `elements`, `bytes`, `dtype`, and `family` (id of its root). What is unknown is None.
    """
    found = {name: props.get(f"weights_{name}") for name in _MEASURES}
    same = store.read(MODEL_TYPES, architecture=found["architecture"]) if found["architecture"] else []
    return {**found, "model_types": [row["model_type"] for row in same]}


def weights_words(found: Mapping[str, Any]) -> str:
    """Return what the weights of a model show, in words."""
    architecture = f"architecture {found['architecture'] or 'unknown'}"
    if found["model_types"]:
        architecture += f" (as of {' or '.join(found['model_types'])})"
    parts = [
        architecture,
        f"{found['layers']:,} layers" if found["layers"] else "",
        f"{found['elements']:,} elements" if found["elements"] else "",
        f"{found['dtype']}" if found["dtype"] else "",
        f"{found['bytes']:,} bytes" if found["bytes"] else "",
        f"family of {found['family']}" if found["family"] else "no family",
    ]
    return ", ".join(part for part in parts if part)
