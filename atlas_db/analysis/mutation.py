"""Mutation and drift (Laufer 2025, section 7): rate and direction of changes from parent to child."""

from __future__ import annotations

import numpy as np
import pandas as pd

from atlas_db.analysis.frames import AtlasFrames
from atlas_db.analysis.groupings import (
    ENGLISH,
    MACHINE_WRITTEN,
    MULTILINGUAL,
    LicenseGroup,
    drift_direction,
    license_group,
)
from atlas_db.analysis.tables import AnalysisTable, count_combinations, ratio_interval
from atlas_db.core.arrays import Doubles, Flags, Integers
from atlas_db.core.terms import LicenseState

SINGLE = ("license", "pipeline_tag", "library_name", "model_type")
MANY = ("language", "datasets")
ALL_RELATIONS = "all"
ENGLISH_ONLY, SEVERAL_LANGUAGES = 1, 2
"""Codes of `language_breadth` that drift is measured between."""


def mutation(atlas: AtlasFrames, *, seed: int = 0) -> list[AnalysisTable]:
    """Return tables of mutation rates, licence and language transitions, and traits by generation."""
    license_changes = license_steps(atlas)
    return [
        AnalysisTable(
            "mutation_rates",
            "Mutation rate: share of parent-child pairs whose trait differs",
            "Laufer 2025, definition 7.1: share of parent-child pairs, both declaring the trait, whose values differ; "
            f"95 % interval over parents, seed {seed}. not_in_atlas: further pairs of which one has no record",
            mutation_rates(atlas, seed),
        ),
        AnalysisTable(
            "license_transitions",
            "Licences, parent to child",
            "Laufer 2025, section 7: groups of licences, the least restrictive first; none: declares none; "
            "not_in_atlas: has no record, so that its licence is not known",
            _transitions(pd.concat([license_changes, license_steps(atlas, atlas.partly_unseen)])),
        ),
        AnalysisTable(
            "license_drift",
            "Direction of licence changes",
            "Laufer 2025, section 7: tighter and looser by group (permissive, copyleft, use_restricted, vendor, "
            "non_commercial)",
            count_combinations(license_changes, ["drift"], "edges").assign(
                share=lambda rows: rows["edges"] / len(license_changes)
            ),
        ),
        AnalysisTable(
            "language_drift",
            "Languages, parent to child",
            "Laufer 2025, section 7: languages declared by parent and child",
            _language_transitions(atlas),
        ),
        AnalysisTable(
            "traits_by_generation",
            "Traits by generation",
            "Laufer 2025, section 7: linked models by steps to their root; shares are of the models that declare the "
            "trait, card length in characters (empty where no cards were loaded)",
            traits_by_generation(atlas),
        ),
    ]


def trait_differs(atlas: AtlasFrames, trait: str, child: Integers, parent: Integers) -> tuple[Flags, ...]:
    """Return whether a trait differs between child and parent, and which of the two declare it.

    Args:
        atlas: The atlas.
        trait: An attribute. One with several values differs when the sets differ.
        child: Rows of children, shape (n,).
        parent: Rows of parents, shape (n,).

    Returns:
        Three flags: differs, child declares, parent declares; each of shape (n,).
    """
    if trait in MANY:
        matrix = atlas.matrix(trait)
        apart = abs(matrix[child] - matrix[parent])
        held = atlas.graph.columns[trait].codes.counts > 0
        return np.asarray(apart.sum(axis=1)).ravel() > 0, held[child], held[parent]
    if trait == "card_length":
        lengths = card_lengths(atlas)
        return lengths[child] != lengths[parent], ~np.isnan(lengths[child]), ~np.isnan(lengths[parent])
    first = atlas.graph.columns[trait].codes.first
    return first[child] != first[parent], first[child] >= 0, first[parent] >= 0


def card_lengths(atlas: AtlasFrames) -> Doubles:
    """Return the length of each card in characters, NaN where no card was loaded, shape (n,)."""
    return np.array(
        [np.nan if value is None else value for value in atlas.graph.extra_properties["card_length"]], np.float64
    )


def mutation_rates(atlas: AtlasFrames, seed: int) -> pd.DataFrame:
    """Return the mutation rate of each trait with its interval, over all relations and by relation."""
    edges, unseen = atlas.pairs, atlas.partly_unseen["relation"]
    rows = []
    for trait in (*SINGLE, *MANY, "card_length"):
        child, parent = edges["child"].to_numpy(), edges["parent"].to_numpy()
        apart, below, above = trait_differs(atlas, trait, child, parent)
        kinds = edges["relation"].to_numpy()
        for relation in (ALL_RELATIONS, *sorted(set(kinds))):
            at = np.ones(len(edges), bool) if relation == ALL_RELATIONS else kinds == relation
            both = at & below & above
            rate, low, high = ratio_interval(
                (apart & both)[both].astype(np.int64), both[both].astype(np.int64), parent[both], seed
            )
            rows.append(
                {
                    "trait": trait,
                    "relation": relation,
                    "pairs": int(at.sum()),
                    "both_declare": int(both.sum()),
                    "rate": rate,
                    "low": low,
                    "high": high,
                    "gained": int((at & below & ~above).sum()),
                    "dropped": int((at & ~below & above).sum()),
                    "not_in_atlas": int((unseen == relation).sum()) if relation != ALL_RELATIONS else len(unseen),
                }
            )
    return pd.DataFrame(rows)


def license_steps(atlas: AtlasFrames, edges: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return declared parent-child pairs: `parent`, `child`, licence groups `from` and `to`, direction `drift`.

    Args:
        atlas: The atlas.
        edges: Edges of lineage; by default those between two models with a record.
    """
    edges = atlas.pairs if edges is None else edges
    licenses = atlas.first("license")
    without = np.where(atlas.recorded, "none", LicenseState.NOT_IN_ATLAS.value)
    above, below = licenses[edges["parent"]], licenses[edges["child"]]
    return pd.DataFrame(
        {
            "parent": edges["parent"].to_numpy(),
            "child": edges["child"].to_numpy(),
            "from": [str(license_group(a) or b) for a, b in zip(above, without[edges["parent"]], strict=True)],
            "to": [str(license_group(a) or b) for a, b in zip(below, without[edges["child"]], strict=True)],
            "drift": [drift_direction(old, new) for old, new in zip(above, below, strict=True)],
        }
    )


def _transitions(steps: pd.DataFrame) -> pd.DataFrame:
    found = count_combinations(steps, ["from", "to"], "edges")
    found["share_of_from"] = found["edges"] / found.groupby("from")["edges"].transform("sum")
    return found


def language_breadth(atlas: AtlasFrames) -> Integers:
    """Return the languages of each model as a code: 0 none, 1 English only, 2 several, 3 one other; shape (n,)."""
    names, held = atlas.graph.columns["language"]
    english, many = (names.index(code) if code in names else -2 for code in (ENGLISH, MULTILINGUAL))
    out = np.where(held.counts > 1, SEVERAL_LANGUAGES, np.where(held.counts == 1, 3, 0))
    out[held.first == english] = np.where(held.counts[held.first == english] > 1, SEVERAL_LANGUAGES, ENGLISH_ONLY)
    out[(held.counts == 1) & (held.first == many)] = SEVERAL_LANGUAGES
    return out


_BREADTH = ("none", "English alone", "several", "one other")


def _language_transitions(atlas: AtlasFrames) -> pd.DataFrame:
    edges = atlas.pairs
    broad = language_breadth(atlas)
    frame = pd.DataFrame(
        {
            "from": [_BREADTH[value] for value in broad[edges["parent"]]],
            "to": [_BREADTH[value] for value in broad[edges["child"]]],
        }
    )
    return _transitions(frame)


def machine_written(atlas: AtlasFrames) -> Flags:
    """Return whether a tool wrote the card, by its tag or by its template in the text, shape (n,)."""
    names, held = atlas.graph.columns["tags"]
    marked = np.array([name in MACHINE_WRITTEN for name in names], bool)
    tagged: Flags = np.bincount(held.rows, marked[held.values], minlength=len(atlas.graph)) > 0
    shown = np.array([bool(value) for value in atlas.graph.extra_properties["card_template"]])
    return np.asarray(tagged | shown)


def traits_by_generation(atlas: AtlasFrames, deepest: int = 8) -> pd.DataFrame:
    """Return shares of traits by generation; the last row holds all deeper generations."""
    forest = atlas.forest
    linked = forest.linked & atlas.recorded
    depth = np.minimum(forest.depth, deepest)
    groups = np.array([license_group(value) for value in atlas.first("license")], object)
    licensed = np.array([value is not None for value in groups])
    broad, written, lengths = language_breadth(atlas), machine_written(atlas), card_lengths(atlas)
    rows = []
    for generation in range(int(depth[linked].max(initial=0)) + 1):
        at = linked & (depth == generation)
        with_language = at & (broad > 0)
        known = lengths[at & ~np.isnan(lengths)]
        rows.append(
            {
                "generation": generation,
                "models": int(at.sum()),
                "declare_license": _share(licensed, at),
                "permissive": _share(groups == LicenseGroup.PERMISSIVE, at & licensed),
                "copyleft": _share(groups == LicenseGroup.COPYLEFT, at & licensed),
                "english_alone": _share(broad == ENGLISH_ONLY, with_language),
                "several_languages": _share(broad == SEVERAL_LANGUAGES, with_language),
                "machine_written_card": _share(written, at),
                "median_card_length": float(np.median(known)) if len(known) else np.nan,
            }
        )
    return pd.DataFrame(rows)


def _share(hits: Flags, among: Flags) -> float:
    return float(hits[among].mean()) if among.any() else np.nan
