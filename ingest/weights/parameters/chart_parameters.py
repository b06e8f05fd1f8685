"""All tuned constants of the chart, with what changing them by a quarter does to a chart."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import msgspec

from atlas_db.core.parameters import Parameter, parameters_of
from atlas_db.fusion.fusion_parameters import FUSION, FusionParameters
from ingest.weights.parameters.adapter_parameters import ADAPTER, AdapterParameters
from ingest.weights.parameters.confidence_parameters import CONFIDENCE, ConfidenceParameters
from ingest.weights.parameters.merge_parameters import MERGE, MergeParameters
from ingest.weights.parameters.origin_parameters import ORIGIN, OriginParameters
from ingest.weights.parameters.pairwise_parameters import PAIRWISE, PairwiseParameters
from ingest.weights.parameters.parent_parameters import PARENT, ParentParameters
from ingest.weights.parameters.probe_parameters import PROBE, ProbeParameters
from ingest.weights.parameters.region_parameters import REGION, RegionParameters
from ingest.weights.parameters.sample_parameters import SAMPLE, SampleParameters
from ingest.weights.parameters.tree_parameters import TREE, TreeParameters


@dataclass(frozen=True, slots=True)
class ChartParameters:
    """Tuned constants by stage.

    Attributes:
        sample: Samples of weights, their alignment, and families.
        pairwise: Tests of two or three models.
        merge: Search and tests of merges.
        tree: Copies, rooting, dates and duplicates.
        parent: Penalties of candidate parents.
        origin: Origins that are not among the models.
        region: Regions of a large family.
        probe: Comparison of probe outputs.
        adapter: The base of an adapter.
        confidence: Confidence of edges by kind of evidence.
        fusion: When inferred lineage changes what is declared, as a chart is written to a store.
    """

    sample: SampleParameters = field(default=SAMPLE)
    pairwise: PairwiseParameters = field(default=PAIRWISE)
    merge: MergeParameters = field(default=MERGE)
    tree: TreeParameters = field(default=TREE)
    parent: ParentParameters = field(default=PARENT)
    origin: OriginParameters = field(default=ORIGIN)
    region: RegionParameters = field(default=REGION)
    probe: ProbeParameters = field(default=PROBE)
    adapter: AdapterParameters = field(default=ADAPTER)
    confidence: ConfidenceParameters = field(default=CONFIDENCE)
    fusion: FusionParameters = field(default=FUSION)


CHART = ChartParameters()


class ShownParameter(NamedTuple):
    """A tuned constant as `chart --show-parameters` prints it.

    Attributes:
        parameter: Dotted name.
        value: Its value.
        unit: Unit of the value.
        set_by: How it was set.
        sensitivity: Share of edges that change where it is a fifth smaller, and a quarter larger. Of a constant that
            only bounds the work, it says so.
    """

    parameter: str
    value: str
    unit: str
    set_by: str
    sensitivity: str


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What changing one constant does to charts.

    Attributes:
        smaller: Share of edges that change at 4/5 of its value.
        larger: The same at 5/4.
        measured_on: The models that were charted.
    """

    smaller: float
    larger: float
    measured_on: str


class Sensitivity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `benchmarks/sensitivity.py` measured.

    Attributes:
        changed: The change by each parameter.
    """

    changed: dict[str, Change]


@cache
def sensitivity() -> Sensitivity:
    """Return the measured sensitivities that the package ships."""
    body = (files("ingest.weights.parameters") / "data" / "sensitivity.json").read_bytes()
    return msgspec.json.decode(body, type=Sensitivity)


def chart_parameters() -> list[Parameter]:
    """Return every tuned constant of the chart."""
    return list(parameters_of(CHART))


def bounds_work(parameter: Parameter) -> bool:
    """Return whether a constant was chosen to bound time or memory: it ends a search, and weighs nothing."""
    return parameter.set_by.startswith("chosen: bounds the work")


def shown_parameters() -> list[ShownParameter]:
    """Return every tuned constant with its unit, how it was set, and its sensitivity."""
    return [
        ShownParameter(each.name, f"{each.value}", each.unit, each.set_by, _shown(each)) for each in chart_parameters()
    ]


def _shown(parameter: Parameter) -> str:
    changed = sensitivity().changed.get(parameter.name)
    if changed is not None:
        return f"{changed.smaller:.3f}, {changed.larger:.3f}"
    return "bounds work" if bounds_work(parameter) else "not measured"
