"""Probing of real, small models of transformers: what changes no answer is seen through, what cannot run is named."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from atlas_db.core.errors import InputError, WeightsError
from atlas_db.core.terms import Relation
from ingest.weights.chart import chart
from ingest.weights.fingerprints.batch import find_models, fingerprint_all
from ingest.weights.fingerprints.parquet import read_prints
from ingest.weights.probes.cka_similarity import SAME, alike_groups, same_function, similar
from ingest.weights.probes.forward_probe import GRAM, probe
from ingest.weights.probes.probe_table import beside, keep_probes, kept_probes, probe_all, read_probes
from ingest.weights.samples.clustering import around
from ingest.weights.samples.resample import Rereader
from ingest.weights.tree.behavioural_edges import functional_partners
from ingest.weights.tree.edge import found_by


def llama(seed: int, vocabulary: int = 300) -> Any:
    torch.manual_seed(seed)
    shape = transformers.LlamaConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        vocab_size=vocabulary,
    )
    model = transformers.LlamaForCausalLM(shape)
    # Training leaves marks that a fresh draw does not have; larger weights make its answers a model's own.
    for weights in model.parameters():
        if weights.dim() > 1:
            weights.data *= 3
    return model


def rewritten(model: Any) -> Any:
    """The same function: the basis of each MLP scaled and shuffled, that of each head's values turned."""
    out = copy.deepcopy(model)
    for number, layer in enumerate(out.model.layers):
        generator = torch.Generator().manual_seed(number)
        order, scale = torch.randperm(128, generator=generator), torch.rand(128, generator=generator) * 5 + 0.2
        mlp, attention = layer.mlp, layer.self_attn
        mlp.gate_proj.weight.data = mlp.gate_proj.weight.data[order]
        mlp.up_proj.weight.data = mlp.up_proj.weight.data[order] * scale[:, None]
        mlp.down_proj.weight.data = mlp.down_proj.weight.data[:, order] / scale
        turn, _ = torch.linalg.qr(torch.randn(16, 16, generator=generator))
        value, output = attention.v_proj.weight, attention.o_proj.weight
        value.data = (turn @ value.data.view(4, 16, 64)).reshape(64, 64)
        output.data = (output.data.view(64, 4, 16) @ turn.T).reshape(64, 64)
        # A gain before a matrix can be taken into it.
        for norm, matrices in (
            (layer.input_layernorm, (attention.q_proj, attention.k_proj, attention.v_proj)),
            (layer.post_attention_layernorm, (mlp.gate_proj, mlp.up_proj)),
        ):
            gain = torch.rand(64, generator=generator) * 8 + 0.1
            gain[::2] *= -1
            norm.weight.data = norm.weight.data * gain
            for matrix in matrices:
                matrix.weight.data = matrix.weight.data / gain
    return out


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    base = llama(1)
    tuned = copy.deepcopy(base)
    torch.manual_seed(5)
    for weights in tuned.parameters():
        weights.data += 0.05 * weights.data.std() * torch.randn_like(weights) if weights.dim() > 1 else 0
    grown = copy.deepcopy(base)
    grown.resize_token_embeddings(310)
    made = {"base": base, "copy": rewritten(base), "tuned": tuned, "other": llama(2)}
    for name, model in made.items():
        model.save_pretrained(folder / name)
    dates = {"base": "2024-01-01", "copy": "2024-03-01", "tuned": "2024-02-01", "other": "2024-01-15"}
    lines = [json.dumps({"id": f"a/{name}", "created_at": f"{dates[name]}T00:00:00Z", "folder": name}) for name in made]
    (folder / "hub.jsonl").write_text("\n".join(lines))
    return folder


def test_a_rewritten_copy_answers_the_same_and_is_charted(models: Path, tmp_path: Path) -> None:
    out = tmp_path / "fp.parquet"
    found = find_models([models])
    fingerprint_all(found, out, lambda *_: None)
    report = probe_all(found, beside(out), lambda *_: None)
    assert report.made == 4
    assert not report.skipped
    probes = list(read_probes([beside(out)]))
    assert {probe.id for probe in probes} == {item.id for item in found}
    assert [pair[:2] for pair in same_function(probes)] == [("a/base", "a/copy")]
    prints = list(read_prints([out]))
    blind = {(edge.child, edge.parent) for edge in chart(prints, Rereader())}
    assert blind == {("a/tuned", "a/base")}, "the weights alone cannot tell whose copy it is"
    edges = {(edge.child, edge.parent): edge for edge in chart(prints, Rereader(), probes=probes)}
    assert edges.keys() == {("a/tuned", "a/base"), ("a/copy", "a/base")}
    edge = edges["a/copy", "a/base"]
    assert edge.relation is Relation.DUPLICATE
    assert found_by(edge.evidence) == "same outputs"
    assert edge.evidence.output_difference < SAME
    assert edge.confidence > 0.9
    undated = {(e.child, e.parent): e for e in chart(prints, Rereader(), probes=probes, time=False)}
    assert {frozenset(pair) for pair in undated} >= {frozenset(("a/copy", "a/base"))}
    assert min(e.confidence for pair, e in undated.items() if "a/copy" in pair) <= 0.5, "nothing says which came first"
    again = probe_all(found, beside(out), lambda *_: None)
    assert (again.made, again.kept) == (0, 4)
    assert functional_partners(probes, {"a/copy"}) == {"a/base"}
    come = [item for item in prints if item.id == "a/copy"]
    joined = around(prints, {item.id for item in come} | functional_partners(probes, {"a/copy"}))
    assert {(e.child, e.parent) for e in chart(joined, Rereader(), probes=probes)} == edges.keys()


def test_likeness_ranks_copies_before_children_before_strangers(models: Path, tmp_path: Path) -> None:
    probe_all(find_models([models]), tmp_path / "p.parquet", lambda *_: None)
    probes = list(read_probes([tmp_path / "p.parquet"]))
    ranked = similar([p for p in probes if p.id == "a/base"], probes)
    assert [each.model for each in ranked] == ["a/copy", "a/tuned", "a/other"]
    assert ranked[0].likeness > 0.9999
    assert ranked[0].likeness > ranked[1].likeness > 0.8 > ranked[2].likeness
    assert all(each.difference is not None for each in ranked)
    assert alike_groups(probes) == {"a/base": "a/base", "a/copy": "a/base", "a/tuned": "a/base", "a/other": "a/other"}
    keep_probes(probes[:2], tmp_path, "one")
    keep_probes(probes[1:], tmp_path, "one")
    assert {p.id for p in kept_probes(tmp_path, "one")} == {p.id for p in probes}
    assert kept_probes(tmp_path, "two") == []


def test_the_gram_is_the_centred_kernel_alignment(models: Path) -> None:
    """Against its definition (Kornblith et al. 2019, equation 4), on states taken here."""
    ids = probe(models / "base")[0], probe(models / "tuned")[0]
    rng = np.random.default_rng(0)
    tokens = torch.from_numpy((rng.random((32, 16)) * 300).astype(np.int64))
    states = []
    for name in ("base", "tuned"):
        model = transformers.LlamaForCausalLM.from_pretrained(models / name)
        with torch.no_grad():
            states.append(model(tokens, output_hidden_states=True).hidden_states[-1].mean(1).double().numpy())
    x, y = (state - state.mean(0) for state in states)
    expected = np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    assert ids[0].gram.shape == (GRAM,)
    assert float(ids[0].gram @ ids[1].gram) == pytest.approx(expected, abs=1e-4)


SMALL: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
KINDS: list[tuple[str, Any, Any, str, str]] = [
    ("bert", transformers.BertForSequenceClassification, transformers.BertConfig(**SMALL, vocab_size=200), "tokens", "logits:2"),
    ("vit", transformers.ViTForImageClassification, transformers.ViTConfig(**SMALL, image_size=32, patch_size=8), "image", "logits:2"),
    ("resnet", transformers.ResNetModel, transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1]), "image", "states:16"),
    ("t5", transformers.T5ForConditionalGeneration,
     transformers.T5Config(d_model=32, d_ff=64, num_layers=2, num_heads=2, d_kv=16, vocab_size=200, decoder_start_token_id=0), "tokens", "logits:200"),
    ("w2v", transformers.Wav2Vec2ForCTC,
     transformers.Wav2Vec2Config(**SMALL, vocab_size=20, conv_dim=(16, 16), conv_stride=(5, 5), conv_kernel=(10, 3),
                                 num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2), "audio", "logits:20"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kind", "config", "inputs", "signature"), KINDS, ids=[each[0] for each in KINDS])
def test_each_modality_answers(tmp_path: Path, name: str, kind: Any, config: Any, inputs: str, signature: str) -> None:
    torch.manual_seed(0)
    kind(config).save_pretrained(tmp_path / name)
    first, second = probe(tmp_path / name), probe(tmp_path / name)
    assert [(each.kind, each.signature) for each in first] == [(inputs, signature)]
    assert np.array_equal(first[0].answers, second[0].answers)
    assert np.linalg.norm(first[0].gram) == pytest.approx(1, abs=1e-5)


def test_heads_keep_no_relatives_apart(tmp_path: Path) -> None:
    """A body saved alone, and the same one fine-tuned under heads for three and for seven labels."""
    torch.manual_seed(0)
    shape = {**SMALL, "hidden_size": 64, "vocab_size": 200}
    body = transformers.BertModel(transformers.BertConfig(**shape))
    body.save_pretrained(tmp_path / "body")
    for labels in (3, 7):
        model = transformers.BertForSequenceClassification(transformers.BertConfig(**shape, num_labels=labels))
        model.bert.load_state_dict(body.state_dict())
        for weights in model.bert.parameters():
            weights.data += 0.02 * torch.randn_like(weights) * weights.data.std() if weights.dim() > 1 else 0
        model.save_pretrained(tmp_path / f"labels-{labels}")
    out = tmp_path / "fp.parquet"
    fingerprint_all(find_models([tmp_path]), out, lambda *_: None)
    prints = list(read_prints([out]))
    assert len({item.family_key for item in prints}) == 1
    assert {(e.child, e.parent) for e in chart(prints, Rereader())} == {("labels-3", "body"), ("labels-7", "body")}


def test_sentences_are_asked_where_a_tokenizer_is_there(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    llama(3).save_pretrained(tmp_path)
    letters = Tokenizer(models.WordLevel({"[UNK]": 0, **{chr(n): n for n in range(1, 256)}}, unk_token="[UNK]"))
    letters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    letters.save(str(tmp_path / "tokenizer.json"))
    assert [each.kind for each in probe(tmp_path)] == ["tokens", "text"]
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"tokenizer\.json that cannot be read"):
        probe(tmp_path)


def _broken(folder: Path, how: str) -> None:
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
    ("how", "says"),
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
def test_what_cannot_be_run_is_named_and_skipped(tmp_path: Path, how: str, says: str) -> None:
    _broken(tmp_path / "m", how)
    with pytest.raises(WeightsError, match=says):
        probe(tmp_path / "m")
    llama(6).save_pretrained(tmp_path / "fine")
    report = probe_all(find_models([tmp_path]), tmp_path / "p.parquet", lambda *_: None)
    assert report.made == 1
    assert list(report.skipped) == ["m"]
    assert {item.id for item in read_probes([tmp_path / "p.parquet"])} == {"fine"}


def test_other_files_are_no_probes(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"nothing")
    for name in ("x.parquet", "none.parquet"):
        with pytest.raises(InputError, match="fingerprint --probe"):
            list(read_probes([tmp_path / name]))


def test_answers_of_nothing_tell_nothing(tmp_path: Path) -> None:
    for seed, name in ((7, "a"), (8, "b")):
        model = llama(seed)
        nn.init.zeros_(model.lm_head.weight)
        model.save_pretrained(tmp_path / name)
    probe_all(find_models([tmp_path]), tmp_path / "p.parquet", lambda *_: None)
    assert same_function(list(read_probes([tmp_path / "p.parquet"]))) == []
