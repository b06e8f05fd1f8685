"""Tests of `ingest/weights/probes/probe_table.py`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from atlas_db.core.errors import InputError, WeightsError
from ingest.weights.fingerprints.model_files import find_models
from ingest.weights.probes.forward_probe import probe_model
from ingest.weights.probes.probe_table import probe_all, read_probes
from tests.support.families import root, write
from tests.support.networks import SMALL, llama

pytestmark = pytest.mark.slow


def _broken(folder: Path, how: str) -> None:
    import torch
    import transformers

    model = llama(4)
    model.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    if how == "code":
        (folder / "config.json").write_text(
            json.dumps({"model_type": "made_up", "auto_map": {"AutoModel": "evil.Model"}})
        )
        (folder / "evil.py").write_text("raise SystemExit('code of a model was run')")
    elif how == "adapter":
        (folder / "adapter_config.json").write_text("{}")
    elif how == "pickle":
        (folder / "model.safetensors").unlink()
        torch.save({}, folder / "pytorch_model.bin")
    elif how == "packed":
        (folder / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "gptq"}}))
    elif how == "lacking":
        (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    elif how == "damaged":
        file = folder / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-1000])
    elif how == "nan":
        with torch.no_grad():
            model.model.layers[0].mlp.up_proj.weight.fill_(float("nan"))
        model.save_pretrained(folder)
    elif how == "two inputs":
        text = {**SMALL, "vocab_size": 100}
        config = transformers.CLIPConfig(text_config=text, vision_config={**SMALL, "image_size": 32, "patch_size": 8})
        transformers.CLIPModel(config).save_pretrained(folder)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("code", "transformers can open"),
        ("adapter", "answers nothing without its base"),
        ("pickle", "no safetensors"),
        ("packed", "packed integers"),
        ("lacking", r"lacks weights of its architecture \(model\.layers\.2"),
        ("damaged", "transformers can open"),
        ("nan", "no numbers"),
        ("two inputs", "cannot be run on tokens alone"),
    ],
)
def test_what_cannot_be_run_is_named_and_skipped(tmp_path: Path, how: str, message: str) -> None:
    _broken(tmp_path / "m", how)
    with pytest.raises(WeightsError, match=message):
        probe_model(tmp_path / "m")
    llama(6).save_pretrained(tmp_path / "fine")
    report = probe_all(find_models([tmp_path]), tmp_path / "p.parquet", lambda *_: None)
    assert report.made == 1
    assert list(report.skipped) == ["m"]
    assert {item.id for item in read_probes([tmp_path / "p.parquet"])} == {"fine"}


def test_other_files_are_no_probes(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"nothing")
    for name in ("x.parquet", "none.parquet"):
        with pytest.raises(InputError, match="--probe --out FILE"):
            list(read_probes([tmp_path / name]))


def test_a_fault_or_a_folder_that_cannot_be_used_costs_one_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        write(tmp_path / "zoo" / name, root(1))
    lines = ['{"id": "a/b", "folder": "a"}', '{"id": "c/d", "folder": "b"}', "{"]
    (tmp_path / "zoo" / "hub.jsonl").write_text("\n".join(lines))

    def odd(folder: Path) -> list[tuple[object, ...]]:
        if folder.name == "a":
            raise ZeroDivisionError
        return []

    monkeypatch.setattr("ingest.weights.probes.probe_table.probe_model", odd)
    report = probe_all(find_models([tmp_path / "zoo"]), tmp_path / "out.parquet", lambda *_: None)
    assert (report.made, list(report.skipped)) == (1, ["a/b", "hub.jsonl line 3"])
    assert "a fault of atlas-db: ZeroDivisionError at probe_table.py:" in report.skipped["a/b"]
