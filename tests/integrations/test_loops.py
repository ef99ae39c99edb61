"""Audits in the loops of transformers and Lightning, resumed ones included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pidkd.errors import InputError

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from pidkd.distill.features import without_padding  # noqa: E402
from pidkd.distill.method import get_method  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore::pidkd.errors.SmallSampleWarning", "ignore::UserWarning", "ignore::DeprecationWarning"
)

N, LENGTH = 120, 6
GENERATOR = torch.Generator().manual_seed(0)
Y = torch.randint(3, (N,), generator=GENERATOR)
IDS = torch.randint(4, 20, (N, LENGTH), generator=GENERATOR)
IDS[:, 1] = 1 + Y
MASK = (torch.arange(LENGTH) < torch.randint(2, LENGTH + 1, (N, 1), generator=GENERATOR)).long()
ROWS = [{"input_ids": IDS[i], "attention_mask": MASK[i], "labels": Y[i]} for i in range(N)]
HELD_OUT = [
    {"input_ids": IDS[k : k + 30], "attention_mask": MASK[k : k + 30], "labels": Y[k : k + 30]} for k in range(0, N, 30)
]


def bert(transformers: Any, seed: int) -> Any:
    torch.manual_seed(seed)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.BertConfig(vocab_size=20, max_position_embeddings=8, num_labels=3, **sizes)
    return transformers.BertForSequenceClassification(config)


def trainer_of(place: Path, steps: int, transformers: Any, teacher: Any, student: Any, **options: Any) -> Any:
    from pidkd.integrations.transformers import AuditCallback

    callback = AuditCallback(teacher, HELD_OUT, [(-1, -1)], every=2, position="mean", **options)
    arguments = transformers.TrainingArguments(
        str(place / "hf"),
        max_steps=steps,
        save_steps=2,
        per_device_train_batch_size=8,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        logging_steps=100,
    )

    def loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        return callback.weight * nn.functional.cross_entropy(outputs["logits"], labels)

    trainer = transformers.Trainer(student, arguments, train_dataset=ROWS, compute_loss_func=loss)
    callback.join(trainer)
    return trainer, callback


def test_a_trainer_of_transformers_audits_and_resumes(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    teacher = bert(transformers, 1)
    options = {"folder": tmp_path / "audits", "gate": "unique"}
    trainer, callback = trainer_of(tmp_path, 4, transformers, teacher, bert(transformers, 0), **options)
    trainer.train()
    assert sorted(callback.reports) == [2, 4]
    logged = [
        entry for entry in trainer.state.log_history if "pidkd/hidden_states.-1:hidden_states.-1/redundant" in entry
    ]
    assert [entry["step"] for entry in logged] == [2, 4]
    assert 0 <= callback.weight <= 1
    assert [entry["pidkd/weight"] for entry in logged][-1] == callback.weight
    assert [stage.checkpoint for stage in callback.report.pairs[0].history] == ["step 2"]

    resumed, again = trainer_of(tmp_path, 6, transformers, teacher, bert(transformers, 0), **options)
    resumed.train(resume_from_checkpoint=str(tmp_path / "hf/checkpoint-2"))
    assert sorted(again.reports) == [2, 4, 6]
    assert again.reports[2].results == callback.reports[2].results  # from the folder
    logged_again = [entry["step"] for entry in resumed.state.log_history if "pidkd/weight" in entry]
    assert logged_again == [2, 4, 6]


def test_an_audit_changes_nothing_of_the_training(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    weights = []
    for every in (1, 100):
        student = bert(transformers, 0)
        trainer, callback = trainer_of(tmp_path / str(every), 3, transformers, bert(transformers, 1), student)
        callback.every = every
        trainer.train()
        weights.append(torch.cat([p.detach().flatten() for p in student.parameters()]))
    assert torch.equal(*weights)


def test_a_trainer_of_lightning_audits_and_resumes(tmp_path: Path) -> None:
    lightning = pytest.importorskip("pytorch_lightning")
    from pidkd.integrations.lightning import AuditCallback

    x = torch.randn(N, 4, generator=GENERATOR)
    y = (x[:, 0] > 0).long()

    def network() -> nn.Sequential:
        return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))

    class Module(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        def training_step(self, batch: Any, index: int) -> Any:
            return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.1)

    def run(steps: int, checkpoint: Any = None) -> tuple[Any, Any]:
        callback = AuditCallback(teacher, [(x, y)], [("1", "1")], student="net", every=4)
        logger = lightning.loggers.CSVLogger(tmp_path, name=f"logs-{steps}")
        trainer = lightning.Trainer(
            max_steps=steps,
            accelerator="cpu",
            callbacks=[callback],
            logger=logger,
            log_every_n_steps=1,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        )
        loader = DataLoader([(x[i], y[i]) for i in range(N)], 12)
        trainer.fit(Module(), loader, ckpt_path=checkpoint)
        return trainer, callback

    torch.manual_seed(0)
    teacher = network()
    trainer, callback = run(8)
    assert sorted(callback.reports) == [4, 8]
    assert "pidkd/1:1/redundant" in trainer.logged_metrics
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    _, again = run(12, str(tmp_path / "last.ckpt"))
    assert sorted(again.reports) == [4, 8, 12]
    assert again.reports[4].results == callback.reports[4].results


@pytest.mark.parametrize("name", ["rid", "vid", "kd", "fitnet"])
def test_padding_gets_no_gradient(name: str) -> None:
    generator = torch.Generator().manual_seed(1)
    mask = MASK[:8]
    s = torch.randn(8, LENGTH, 5, generator=generator, requires_grad=True)
    t = torch.randn(8, LENGTH, 7, generator=generator)
    logits = torch.randn(8, 3, generator=generator)
    teacher, student = (logits, [t]), (torch.einsum("bld,bl->bd", s, mask.float())[:, :3], [s])
    method = get_method(name)()
    loss = method.loss(without_padding(teacher, mask), without_padding(student, mask))
    for phase in method.phases:
        loss.start(phase)
        total, _ = loss(teacher, student, Y[:8], mask)
        other = t.clone()
        other[mask == 0] = 1e6  # padding has no part in the loss either
        assert torch.equal(loss((logits, [other]), student, Y[:8], mask)[0], total)
        if method.phases[phase].student == "frozen":
            continue
        [gradient] = torch.autograd.grad(total, s, retain_graph=True)
        assert torch.equal(gradient[mask == 0], torch.zeros_like(gradient[mask == 0]))
        assert bool((gradient[mask == 1] != 0).any())


def test_what_cannot_be_read_again_is_refused() -> None:
    from pidkd.integrations.loop import LoopAudit

    with pytest.raises(InputError, match=r"data that can be read at every audit, got a .*; list\(\) keeps"):
        LoopAudit(nn.Linear(2, 2), iter(HELD_OUT), [("0", "0")])
    with pytest.raises(InputError, match=r"tokens \(8, 6, D\), as the mask has, got a feature of shape \(8, 7, 5\)"):
        without_padding((torch.zeros(8, 3), [torch.zeros(8, 7, 5)]), MASK[:8])
