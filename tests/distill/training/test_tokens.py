"""Hidden states of networks of transformers: by dict batches, without their padding."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pidkd
from pidkd.errors import InputError
from pidkd.files.archive import contents_digest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from torch import nn  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from pidkd.distill.taps import FeatureTap  # noqa: E402
from pidkd.distill.training.capturing import capture  # noqa: E402

N, LENGTH = 24, 9
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


def bert(seed: int) -> Any:
    torch.manual_seed(seed)
    config = transformers.BertConfig(vocab_size=40, max_position_embeddings=16, num_labels=3, **SIZES)
    return transformers.BertForSequenceClassification(config)


@pytest.fixture(scope="module")
def batches() -> list[dict[str, Any]]:
    """Sentences of several lengths, of which words 1, 2 and 3 say the label, padded at either side."""
    generator = torch.Generator().manual_seed(0)
    batches = []
    for start in range(0, N, 8):
        ids = torch.randint(4, 40, (8, LENGTH), generator=generator)
        length = torch.randint(2, LENGTH + 1, (8,), generator=generator)
        y = torch.randint(3, (8,), generator=generator)
        mask = (torch.arange(LENGTH) < length[:, None]).long()
        ids[:, 1] = 1 + y
        if start == 8:
            ids, mask = ids.flip(1), mask.flip(1)
        batch = {"input_ids": ids, "attention_mask": mask, "labels": y, "idx": torch.arange(start, start + 8) * 10}
        batches.append(batch)
    return batches


@pytest.fixture(scope="module")
def pair(batches: list[dict[str, Any]]) -> tuple[Any, Any]:
    """Two networks, trained a little."""
    networks = bert(0), bert(1)
    for network in networks:
        optimiser = torch.optim.Adam(network.parameters(), 1e-3)
        for batch in batches * 3:
            optimiser.zero_grad()
            network(**{key: value for key, value in batch.items() if key != "idx"}).loss.backward()
            optimiser.step()
        network.eval()
    return networks


@torch.no_grad()
def by_hand(network: Any, batches: list[dict[str, Any]], position: str) -> dict[str, np.ndarray]:
    """The same by a loop over samples, each run without its padding."""
    rows: dict[str, list[Any]] = {"bert.encoder.layer.0": [], "hidden_states.-1": []}
    for batch in batches:
        for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
            at = mask.nonzero()[:, 0]
            inputs = {"input_ids": ids[None], "attention_mask": mask[None]}
            states = network(**inputs, output_hidden_states=True).hidden_states
            for name, state in zip(rows, (states[1], states[-1]), strict=True):
                tokens = state[0, at]
                value = {"mean": tokens.mean(0), "cls": tokens[0], "last": tokens[-1]}[position]
                rows[name].append(value.numpy())
    return {name: np.stack(values) for name, values in rows.items()}


@pytest.mark.parametrize("position", ["mean", "cls", "last"])
def test_capture_is_a_loop_written_by_hand(pair: tuple[Any, Any], batches: list[dict[str, Any]], position: Any) -> None:
    held = capture(pair[0], batches, ["bert.encoder.layer.0", -1], position=position)
    for name, expected in by_hand(pair[0], batches, position).items():
        np.testing.assert_allclose(held[name], expected, atol=1e-6)
    np.testing.assert_array_equal(held["ids"], np.arange(N) * 10)
    np.testing.assert_array_equal(held["labels"], np.concatenate([batch["labels"] for batch in batches]))
    assert held.accuracy is not None
    assert held.position == position


def test_padding_is_never_counted(pair: tuple[Any, Any], batches: list[dict[str, Any]]) -> None:
    generator = torch.Generator().manual_seed(1)
    other = []
    for batch in batches:
        noise = torch.randint(40, batch["input_ids"].shape, generator=generator)
        ids = torch.where(batch["attention_mask"] == 1, batch["input_ids"], noise)
        other.append({**batch, "input_ids": ids})
    for position in ("mean", "cls", "last"):
        before, after = (capture(pair[0], data, [0, 2], position=position) for data in (batches, other))
        for name in before:
            np.testing.assert_allclose(before[name], after[name], atol=1e-6)


def test_padding_is_refused_where_all_tokens_are_kept(pair: tuple[Any, Any], batches: list[dict[str, Any]]) -> None:
    with pytest.raises(InputError, match=r"tokens without padding .* position='mean'"):
        capture(pair[0], batches, [1])
    whole = [{**batch, "attention_mask": torch.ones_like(batch["attention_mask"])} for batch in batches]
    assert capture(pair[0], whole, [1])["hidden_states.1"].shape == (N, LENGTH, 16)
    empty = [{**batch, "attention_mask": torch.zeros_like(batch["attention_mask"])} for batch in batches]
    with pytest.raises(InputError, match=r"only padding in row 0"):
        capture(pair[0], empty, ["bert.encoder.layer.0"], position="mean")


def test_a_loader_of_samples_gives_the_same(pair: tuple[Any, Any], batches: list[dict[str, Any]]) -> None:
    rows = [{key: value[i] for key, value in batch.items()} for batch in batches for i in range(8)]
    held, expected = (capture(pair[0], data, [2], position="last") for data in (DataLoader(rows, 5), iter(batches)))
    for name in expected:
        np.testing.assert_allclose(held[name], expected[name], atol=1e-6)


def test_the_audit_names_position_and_pooling(
    tmp_path: Path, pair: tuple[Any, Any], batches: list[dict[str, Any]]
) -> None:
    for name, network in zip("ts", pair, strict=True):
        capture(network, batches, [1, 2], tmp_path / name, position="mean", batch_size=8, shard_size=8)
    assert len(list(tmp_path.glob("t/*.npz"))) == 3
    quantizer = pidkd.Quantizer.from_text("pca=1,kmeans=2")
    report = pidkd.audit(
        tmp_path / "t",
        tmp_path / "s",
        np.concatenate([batch["labels"] for batch in batches]),
        quantize=quantizer,
        shuffles=0,
        uncertainty=None,
    )
    assert report.provenance["captures"]["teacher"]["position"] == "mean"
    assert report.provenance["pool"] == "flatten"
    assert any("Tokens of the teacher: their mean, without padding" in note for note in report.notes)


def test_the_state_before_the_answer_says_it() -> None:
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=30, n_embd=16, n_layer=2, n_head=2, n_positions=16, bos_token_id=0, eos_token_id=0
    )
    model = transformers.GPT2LMHeadModel(config).eval()
    ids = torch.randint(1, 30, (6, 7))
    at = torch.tensor([3, 6, 1, 2, 4, 5])
    labels = torch.full_like(ids, -100)
    labels[torch.arange(6), at] = ids[torch.arange(6), at]
    labels[0, 5] = ids[0, 5]  # an answer of several tokens: the first counts
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}
    held = capture(model, [batch], [2], position="answer")
    with torch.no_grad():
        output = model(input_ids=ids, output_hidden_states=True)
    rows = torch.arange(6)
    np.testing.assert_array_equal(held["labels"], ids[rows, at])
    np.testing.assert_allclose(held["hidden_states.2"], output.hidden_states[2][rows, at - 1], atol=1e-6)
    assert held.accuracy == float((output.logits[rows, at - 1].argmax(1) == ids[rows, at]).float().mean())
    lens = capture(model, [batch], [-1], position="answer", head="lm_head")  # its last state has gone through the norm
    np.testing.assert_allclose(lens["hidden_states.-1"], output.logits[rows, at - 1], atol=1e-5)
    with pytest.raises(InputError, match=r"an answer after the first token of each sample, .* none in row 0"):
        capture(model, [{**batch, "labels": torch.full_like(labels, -100)}], [2], position="answer")


def test_a_layer_says_what_its_head_makes_of_it(pair: tuple[Any, Any], batches: list[dict[str, Any]]) -> None:
    network = pair[0]
    held = capture(
        network, batches, [-1], position="cls", head=("bert.pooler.dense", "bert.pooler.activation", "classifier")
    )
    inputs = [{key: batch[key] for key in ("input_ids", "attention_mask")} for batch in batches]
    right = [batch["attention_mask"][:, 0] == 1 for batch in batches]  # the pooler takes the first, padded or not
    with torch.no_grad():
        logits = torch.cat([network(**one).logits for one in inputs])
    rows = torch.cat(right).numpy()
    np.testing.assert_allclose(held["hidden_states.-1"][rows], logits.numpy()[rows], atol=1e-5)
    p = pidkd.Posteriors.from_logits(held["labels"], held["hidden_states.-1"], logits.numpy())
    assert p.p_t.shape == (N, 3)
    with pytest.raises(InputError, match=r"capture\(head\): expected paths of layers .* 'classifier'"):
        capture(network, batches, [-1], position="cls", head="clasifier")


def test_hidden_states_that_are_not_there(pair: tuple[Any, Any], batches: list[dict[str, Any]]) -> None:
    inputs = {key: batches[0][key] for key in ("input_ids", "attention_mask")}
    with pytest.raises(InputError, match=r"one of 3 hidden states, got 3"):
        FeatureTap(pair[0], [3])(inputs)
    with pytest.raises(InputError, match=r"an output with decoder_hidden_states"):
        FeatureTap(pair[0], ["decoder_hidden_states.0"])(inputs)
    with pytest.raises(InputError, match=r"paths of layers of Linear, got 0"):
        FeatureTap(nn.Linear(2, 2), [0])
    tap = FeatureTap(pair[0], [0])
    assert pair[0](**inputs).hidden_states is None  # beside the tap the network is as it was
    tap.close()


SCRIPTS = {
    "arrays": """
model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
capture(model, (torch.randn(50, 3), torch.arange(50) % 2), ["1"], sys.argv[1], batch_size=4, shard_size=8)
""",
    "unequal batches with masks, and infinite states of the second process": """
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.mix, self.head = torch.nn.Embedding(30, 6), torch.nn.Linear(6, 6), torch.nn.Linear(6, 2)
        self.embed.weight.data[29] = torch.inf

    def forward(self, input_ids, attention_mask):
        return self.head(self.mix(self.embed(input_ids)).mean(1))

batches, start = [], 0
for size, length in [(4, 7), (1, 3), (6, 5), (2, 9), (3, 4), (5, 6), (4, 2)]:
    ids = torch.randint(1, 29, (size, length))
    if start in (13, 16, 21):
        ids[0, 0] = 29
    mask = (torch.arange(length) < torch.randint(1, length + 1, (size, 1))).long()
    names = [f"s{start + i}" for i in range(size)]
    batches.append({"input_ids": ids, "attention_mask": mask, "labels": ids[:, -1] % 2, "id": names})
    start += size
capture(Model(), batches, ["embed", "mix"], sys.argv[1], batch_size=4, shard_size=8, position="mean")
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_processes_write_the_folder_that_one_writes(tmp_path: Path, script: str) -> None:
    imports = "import sys, torch\nfrom pidkd.distill import capture\ntorch.manual_seed(0)\n"
    (tmp_path / "script.py").write_text(imports + SCRIPTS[script])
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for launcher, folder in (([], "one"), (torchrun, "two")):
        command = [sys.executable, *launcher, str(tmp_path / "script.py"), str(tmp_path / folder)]
        subprocess.run(command, check=True, env=environment, timeout=120, capture_output=True)
    one, two = (sorted((tmp_path / folder).glob("*.npz")) for folder in ("one", "two"))
    assert [path.name for path in one] == [path.name for path in two]
    assert len(one) > 3
    assert list(map(contents_digest, one)) == list(map(contents_digest, two))
    assert json.loads((tmp_path / "one/capture.json").read_text()) == json.loads(
        (tmp_path / "two/capture.json").read_text()
    )
