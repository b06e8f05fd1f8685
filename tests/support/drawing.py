"""Steps of a lineage that is drawn, and the contrast of two colours."""

from __future__ import annotations

from atlas_db.lineage.traversal import LineageStep


def step(child: str, parent: str, hops: int = 1, downloads: int = 0, relation: str = "finetune") -> LineageStep:
    return LineageStep(child, parent, relation, "declared", 0.9, hops, "mit", downloads, False)


def contrast(one: str, other: str) -> float:
    """WCAG 2.1's contrast ratio of two colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
