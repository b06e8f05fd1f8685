"""All formats of weights: which are read, from where, checked against which tool, and which are refused by name."""

from __future__ import annotations

from typing import NamedTuple

from ingest.formats.other_files import KINDS, ONNX
from ingest.formats.quantized.quantized_formats import QUANTIZED
from ingest.formats.quantized.unread_packings import UNREAD


class FormatRow(NamedTuple):
    """What is known of a format.

    Attributes:
        name: Its name in the field.
        tool: Tool and version whose files were read; empty where it is not read.
        read: What is read of it; empty where it is not read.
        places: Where such files are read: `disk, Hub`, with a limit of what is read by ranges, or `nowhere`.
        error: Largest difference to the tool's own values, as a share of the largest magnitude; None where no tool
            gives values to compare with.
        bytes_read: What a fingerprint reads of a model of 1B parameters; empty where it is not read.
        verdict: What a chart says of a copy next to its original: `parent found`, `not tried`, `refused by name`.
        unknown: What a file may not tell, and what is then done; of what is not read, why.
    """

    name: str
    tool: str
    read: str
    places: str
    error: float | None
    bytes_read: str
    verdict: str
    unknown: str


_FOUND, _REFUSED = "parent found", "refused by name"
_FILES = (
    FormatRow(
        "safetensors",
        "safetensors 0.8.0, transformers 5.23.0, peft 0.21.2",
        "whole, in shards, as adapters of PEFT, mlx-lm, diffusers and kohya's scripts; FP8 of OCP and of AMD (FNUZ)",
        "disk, Hub",
        0.0,
        "4.1 MiB of 2.3 GiB (BF16)",
        _FOUND,
        "types that are not known cost their tensors",
    ),
    FormatRow(
        "pipelines",
        "diffusers 0.42.1",
        "denoisers as the model, further components as wholes, in folders or as parts of one safetensors file",
        "disk, Hub",
        0.0,
        "as of its files",
        _FOUND,
        "a component that cannot be read equals none; without a denoiser, refused; of variants, one is read",
    ),
    FormatRow(
        "GGUF",
        "llama.cpp 0.5.0, gguf 0.19.0",
        "whole, in parts, as LoRA adapters, all types of the package gguf, Q1_0 and Q2_0; rows, names and norms as in "
        "transformers",
        "disk, Hub",
        0.0,
        "2.1 MiB of .6 GiB (Q4_K)",
        _FOUND,
        "types that are not known cost their tensors; matrices of GPT-2 are transposed, so they are read whole; of "
        "Llama's adapters queries and keys are left out, as heads are not stated",
    ),
    FormatRow(
        ONNX,
        "torch 2.13.0, onnx 1.23.2, onnxruntime 1.32.0",
        "weights of MatMul, Gemm, Gather, MatMulNBits, DequantizeLinear and MatMulInteger, in the file or in others",
        "disk, Hub up to 16 MiB a matrix in × out",
        1e-5,
        "1.8 GiB of 3.6 GiB (floats)",
        _FOUND,
        "modules that no exporter named are left out; read where a folder has neither safetensors nor GGUF",
    ),
)


def format_rows() -> list[FormatRow]:
    """Return all formats: files, quantized matrices in safetensors files, then what is not read."""
    quantized = [
        FormatRow(each.name, each.tool, each.read, each.places, each.error, each.bytes_read, each.verdict, each.unknown)
        for each in QUANTIZED
    ]
    refused = [
        FormatRow(each.name, "", "", "nowhere", None, "", _REFUSED, each.reason) for each in KINDS if each.name != ONNX
    ]
    refused += [FormatRow(each.name, "", "", "nowhere", None, "", _REFUSED, "not read") for each in UNREAD]
    return [*_FILES, *quantized, *refused]
