"""A pipeline in one safetensors file, as Stable Diffusion's own code and ComfyUI write it: its parts by prefix."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from ingest.formats.matrix import Matrix

_DENOISER = "diffusion_model."
"""Prefix of the denoiser, behind a prefix that all models may have."""
_BUFFERS = "buffers"


def split_checkpoint(matrices: Mapping[str, Matrix]) -> tuple[dict[str, Matrix], dict[str, dict[str, Matrix]]]:
    """Return the denoiser's matrices by name, and those of the other parts by part and name.

    Args:
        matrices: Matrices of a model by canonical name. Where none is a denoiser's, they are one model.
    """
    if not any(name.startswith(_DENOISER) for name in matrices):
        return dict(matrices), {}
    denoiser: dict[str, Matrix] = {}
    parts: dict[str, dict[str, Matrix]] = defaultdict(dict)
    for name, matrix in matrices.items():
        inner = name.removeprefix(_DENOISER)
        if inner != name:
            denoiser[inner] = matrix._replace(name=inner)
        else:
            part, dot, _ = name.partition(".")
            parts[part if dot else _BUFFERS][name] = matrix
    return denoiser, dict(parts)
