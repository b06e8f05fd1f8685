"""Tests of `ingest/weights/probes/forward_probe.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atlas_db.core.errors import WeightsError
from ingest.weights.probes.forward_probe import GRAM_LENGTH, probe_model
from tests.support.networks import KINDS, llama

pytestmark = pytest.mark.slow


def test_the_gram_is_the_centred_kernel_alignment(models: Path) -> None:
    """Against its definition (Kornblith et al. 2019, equation 4), on states taken here."""
    import torch
    import transformers

    ids = probe_model(models / "base")[0], probe_model(models / "tuned")[0]
    rng = np.random.default_rng(0)
    tokens = torch.from_numpy((rng.random((32, 16)) * 300).astype(np.int64))
    states = []
    for name in ("base", "tuned"):
        model = transformers.LlamaForCausalLM.from_pretrained(models / name)
        with torch.no_grad():
            states.append(model(tokens, output_hidden_states=True).hidden_states[-1].mean(1).double().numpy())
    x, y = (state - state.mean(0) for state in states)
    expected = np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    assert ids[0].gram.shape == (GRAM_LENGTH,)
    assert float(ids[0].gram @ ids[1].gram) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "kind", "config", "values", "inputs", "signature"), KINDS, ids=[each[0] for each in KINDS]
)
def test_each_modality_answers(
    tmp_path: Path, name: str, kind: str, config: str, values: dict[str, Any], inputs: str, signature: str
) -> None:
    import torch
    import transformers

    torch.manual_seed(0)
    getattr(transformers, kind)(getattr(transformers, config)(**values)).save_pretrained(tmp_path / name)
    first, second = probe_model(tmp_path / name), probe_model(tmp_path / name)
    assert [(each.kind, each.signature) for each in first] == [(inputs, signature)]
    assert np.array_equal(first[0].outputs, second[0].outputs)
    assert np.linalg.norm(first[0].gram) == pytest.approx(1, abs=1e-5)


def test_sentences_are_probed_where_a_tokenizer_is_there(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    llama(3).save_pretrained(tmp_path)
    letters = Tokenizer(models.WordLevel({"[UNK]": 0, **{chr(n): n for n in range(1, 256)}}, unk_token="[UNK]"))
    letters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    letters.save(str(tmp_path / "tokenizer.json"))
    assert [each.kind for each in probe_model(tmp_path)] == ["tokens", "text"]
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(WeightsError, match=r"tokenizer\.json that cannot be read"):
        probe_model(tmp_path)
