"""Tests of `ingest/formats/pipelines/pipeline_index.py`, and of pipelines as they are opened."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from atlas_db.core.errors import WeightsError
from ingest.formats.open_model import open_model
from ingest.formats.pipelines.pipeline_index import component_folders, read_pipeline_index
from tests.support.diffusion_pipelines import encoder, parts_of, unet, write_pipeline
from tests.support.families import print_of
from tests.support.packing import values


@pytest.mark.parametrize(
    ("stated", "denoisers"),
    [
        ({"unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}, ("unet",)),
        ({"prior": ["diffusers", "PriorTransformer"], "text_encoder": ["transformers", "CLIPTextModel"]}, ("prior",)),
        ({"transformer_2": ["diffusers", "WanTransformer3DModel"], "transformer": ["own", "X"]},
         ("transformer", "transformer_2")),
        ({"vae": ["diffusers", "LongCatAudioDiTVae"], "transformer": ["d", "LongCatAudioDiT"]}, ("transformer",)),
        ({"controlnet": ["diffusers", "SD3ControlNetTransformer"], "unet": ["d", "U"]}, ("unet",)),
        ({"model": ["transformers", "LLaDA2"], "tokenizer": ["transformers", "Tokenizer"]}, ("model",)),
    ],
)  # fmt: skip
def test_denoisers_are_known_by_name_or_class(stated: dict[str, list[str]], denoisers: tuple[str, ...]) -> None:
    assert read_pipeline_index(json.dumps(stated).encode(), "at").denoisers == denoisers


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "cannot be read"),
        (b"[]", "not an object"),
        (b'{"vae": ["diffusers", "AutoencoderKL"]}', "no denoiser"),
        (b'{"unet": [null, null], "_class_name": "X"}', "no denoiser"),
        (b'{"../unet": ["diffusers", "UNet2DModel"]}', "no denoiser"),
    ],
)
def test_an_index_without_a_denoiser_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(WeightsError, match=reason):
        read_pipeline_index(data, "at/model_index.json")


def test_the_denoiser_is_the_model_and_the_rest_is_compared_whole(tmp_path: Path) -> None:
    folder = write_pipeline(tmp_path / "p", parts_of(3))
    with open_model(folder) as model:
        assert model.matrices.keys() == unet(3).keys() and not model.problems
        assert {name: set(part or {}) for name, part in model.components.items()} == {
            name: set(encoder(1)) for name in ("text_encoder", "vae")
        }
        assert model.size == sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
    one, alone = print_of(folder), print_of(folder / "unet")
    assert (one.family_key, one.elements) == (alone.family_key, alone.elements)
    np.testing.assert_array_equal(one.sample.values, alone.sample.values)
    assert print_of(write_pipeline(tmp_path / "copy", parts_of(3))).weights_hash == one.weights_hash
    other = print_of(write_pipeline(tmp_path / "other", parts_of(3, vae=9)))
    assert other.weights_hash != one.weights_hash != alone.weights_hash
    assert other.components["text_encoder"] == one.components["text_encoder"]


def test_further_denoisers_keep_apart(tmp_path: Path) -> None:
    folder = write_pipeline(tmp_path / "p", {"transformer": unet(3), "transformer_2": unet(4)})
    with open_model(folder) as model:
        assert len(model.matrices) == 2 * len(unet(3)) and not model.components
        (first, second) = (
            model.matrices[f"{at}down_blocks.0.attentions.0.to_q.weight"] for at in ("", "transformer_2.")
        )
        assert not np.array_equal(values(first), values(second))


def test_doubled_files_and_variants_count_once(tmp_path: Path) -> None:
    folder = write_pipeline(tmp_path / "p", parts_of(3))
    plain = print_of(folder)
    write_pipeline(folder, parts_of(5), "F16", variant="fp16")
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"never opened")
    (folder / "all-in-one.safetensors").write_bytes(b"beside")
    doubled = print_of(folder)
    assert doubled.weights_hash == plain.weights_hash and doubled.elements == plain.elements
    assert "all-in-one" in doubled.problems[0] and sum("fp16" in each for each in doubled.problems) == 3
    with open_model(folder) as model:
        assert model.others == {"pickle": ["unet/diffusion_pytorch_model.bin"]}
    alone = write_pipeline(tmp_path / "v", parts_of(3), variant="fp16")
    write_pipeline(alone, parts_of(5), variant="non_ema")
    assert print_of(alone).weights_hash == plain.weights_hash


def test_a_component_that_cannot_be_read_is_named_and_equals_nothing(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (write_pipeline(tmp_path / name, parts_of(3)) / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"?")
    one, other = print_of(tmp_path / "a"), print_of(tmp_path / "b")
    assert one.components["vae"] == "" and "the component vae is not compared" in one.problems[0]
    assert one.weights_hash != other.weights_hash
    gone = write_pipeline(tmp_path / "c", parts_of(3))
    (gone / "text_encoder" / "model.safetensors").unlink()
    assert "the component text_encoder is not compared" in print_of(gone).problems[0]
    (gone / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(WeightsError, match="unet holds no weights"):
        open_model(gone)


def test_folders_of_a_pipeline_are_its_components_also_where_the_index_is_damaged(tmp_path: Path) -> None:
    folder = write_pipeline(tmp_path / "p", parts_of(3))
    assert {each.name for each in component_folders(folder)} == {"unet", "vae", "text_encoder"}
    (folder / "model_index.json").write_text("{")
    assert {each.name for each in component_folders(folder)} == {"unet", "vae", "text_encoder"}
    assert component_folders(folder / "unet") == [] == component_folders(tmp_path / "nowhere")
