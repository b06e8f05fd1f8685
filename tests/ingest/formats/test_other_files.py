"""Tests of `ingest/formats/other_files.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.core.errors import WeightsError
from ingest.formats.open_model import open_model
from ingest.formats.other_files import KINDS, chosen_onnx, only_these, other_files


def test_each_kind_is_known_by_its_files() -> None:
    names = """openvino_model.bin openvino_model.xml pytorch_model.bin onnx/model.onnx onnx/model.onnx_data
        onnx/Model_Q4.ONNX tf_model.h5 flax_model.msgpack weights.npz model.tflite model.mlmodel a.llamafile
        ggml-model-q4_0.bin""".split()
    assert other_files(names) == {
        "OpenVINO": ["openvino_model.bin"],
        "pickle": ["pytorch_model.bin"],
        "ONNX": ["onnx/Model_Q4.ONNX", "onnx/model.onnx", "onnx/model.onnx_data"],
        "Keras": ["tf_model.h5"],
        "Flax": ["flax_model.msgpack"],
        "NumPy": ["weights.npz"],
        "TensorFlow Lite": ["model.tflite"],
        "Core ML": ["model.mlmodel"],
        "llamafile": ["a.llamafile"],
        "GGML before GGUF": ["ggml-model-q4_0.bin"],
    }
    assert other_files(["model.bin", "shared_vocabulary.json"]) == {"CTranslate2": ["model.bin"]}
    assert other_files(["model.bin", "below/shared_vocabulary.json"]) == {"pickle": ["model.bin"]}


def test_data_and_other_files_are_no_weights() -> None:
    assert other_files(["data.npz", "train.h5", "config.json", "model.safetensors", "a.gguf", "README.md"]) == {}


def test_what_is_there_is_said() -> None:
    text = only_these(other_files(["a.onnx", "b.onnx", "c.onnx", "d.onnx", "x.pt"]))
    assert (
        text
        == "only ONNX (a.onnx, b.onnx, c.onnx and 1 more), which is not read; pickles (x.pt), which are never opened"
    )
    assert {kind.name for kind in KINDS} >= {"OpenVINO", "CTranslate2", "ONNX"}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (("onnx/model.onnx",), "ends within a number"), (("model.bin", "vocabulary.txt"), "holds only CTranslate2"),
        (("openvino_model.bin", "openvino_model.xml"), "holds only OpenVINO"), (("a.txt",), "holds no weights"),
    ],
)  # fmt: skip
def test_a_folder_without_weights_that_are_read_is_refused_by_name(
    tmp_path: Path, files: tuple[str, ...], said: str
) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(b"x")
    with pytest.raises(WeightsError, match=said):
        open_model(tmp_path)


def test_the_whole_model_is_read_before_its_parts_and_quantized_ones() -> None:
    assert chosen_onnx(["onnx/model_q4.onnx", "onnx/model.onnx", "onnx/model.onnx_data"]) == "onnx/model.onnx"
    assert chosen_onnx(["encoder_model.onnx", "decoder_model_merged.onnx"]) == "decoder_model_merged.onnx"
    assert chosen_onnx(["b.onnx", "a.onnx"]) == "a.onnx"
