"""Small networks and data that the tests of training share."""

import copy
import json
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from pidkd.distill import Recipe, TrainResult, build_model, get_method, list_methods, load_data, train
from pidkd.distill.method import Method
from pidkd.distill.training.monitor import Monitor
from pidkd.errors import InputError, LostWorkersError
from pidkd.quantize import Quantizer

SIDE, CLASSES, N = 8, 3, 96
RECIPE = Recipe(epochs=8, batch_size=16, lr=0.02, schedule="multistep", milestones=(3, 6), clip=5.0)
"""Long enough for every method to come to each of its phases."""


def network(width: int, *, seed: int, norm: bool = True, dropout: float = 0.0, stride: int = 1) -> nn.Sequential:
    """Two blocks to tap, "0" and "1", and a head."""
    torch.manual_seed(seed)

    def block(n_in: int, n_out: int, stride: int) -> nn.Sequential:
        middle = [nn.BatchNorm2d(n_out)] if norm else []
        return nn.Sequential(nn.Conv2d(n_in, n_out, 3, stride, padding=1), *middle, nn.ReLU(), nn.Dropout(dropout))

    # To 2 x 2, by what has a deterministic gradient on every device.
    pooled = [nn.AvgPool2d(2 // stride), nn.Flatten(), nn.Linear(8 * width, CLASSES)]
    return nn.Sequential(block(1, width, stride), block(width, 2 * width, 2), *pooled)


TAPS = [("0", "0"), ("1", "1")]


def teacher(**options: object) -> nn.Sequential:
    return network(6, seed=1, **options)  # type: ignore[arg-type]


def student(**options: object) -> nn.Sequential:
    return network(3, seed=2, stride=2, **options)  # type: ignore[arg-type]


def data(n: int = N, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Classes that a convolution can tell."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % CLASSES
    x = torch.randn(n, 1, SIDE, SIDE, generator=generator)
    x[:, 0, :4] += y[:, None, None] - 1.0
    return x, y


def methods() -> list[Method]:
    """Each method, so that eight epochs show all of its phases."""
    short = {"rid": {"warm_up": 1, "q": 3, "r": 1 / 3}}
    return [get_method(name)(**short.get(name, {})) for name in list_methods()]


def state(module: nn.Module) -> dict[str, torch.Tensor]:
    return copy.deepcopy(module.state_dict())


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(value, b[name]) for name, value in a.items())


PROCESSES = multiprocessing.get_context("forkserver")
# With what torch's first optimiser would import in every process again.
PROCESSES.set_forkserver_preload(["torch._dynamo", "pidkd.distill.training.engine"])


def started(work: Callable[..., object], *arguments: object, **environment: str) -> BaseProcess:
    """A process that does ``work``, forked off one that has imported torch and done nothing else."""
    process = PROCESSES.Process(target=_with, args=(environment, work, *arguments))
    process.start()
    return process


def in_two_processes(work: Callable[..., object], *arguments: object) -> list[int | None]:
    """Exit statuses of ``work`` in two processes that find each other as ``torchrun`` would have them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    both = [started(work, *arguments, RANK=rank, LOCAL_RANK=rank, **common) for rank in "01"]
    for process in both:
        process.join(60)
    for process in both:  # one that waits for another that has never come would outlive the tests
        if process.is_alive():
            process.kill()
            process.join()
    return [process.exitcode for process in both]


def _with(environment: dict[str, str], work: Callable[..., object], *arguments: object) -> None:
    os.environ.update(environment)
    work(*arguments)


RESUMED = Recipe(epochs=6, batch_size=16, lr=0.02, schedule="cosine", held_out=0.25)
CYCLES = {"warm_up": 1, "q": 3, "r": 1 / 3}


def run_with_state(folder: Path, given: object = None, **options: object) -> TrainResult:
    """RID with batch statistics, dropout, momentum and a held-out part: all that has a state."""
    settings = {"method": get_method("rid")(**CYCLES), "taps": TAPS, "recipe": RESUMED, "strict": True, "resume": True}
    return train(teacher(), student(dropout=0.2), given or data(), data(48, seed=9), out=folder, **settings | options)


def run_and_die(folder: Path, at: int, seconds: float) -> None:
    """``run_with_state``, killed some time after a step, whatever it does then."""
    steps = []

    def progress(part: float, row: object) -> None:
        steps.append(part)
        if len(steps) == at:
            threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()

    run_with_state(folder, progress=progress)


def run_on_vectors(folder: Path, resume: bool = False, processes: int | None = None, stop_at: int = 0) -> TrainResult:
    """RID in two phases without batch statistics; the main process gets a signal at a step."""

    def vectors(width: int, seed: int) -> nn.Sequential:
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Tanh(), nn.Linear(width, 3))

    recipe = Recipe(epochs=4, batch_size=16, lr=0.02, clip=1.0, schedule="cosine", crop=1, flip=True)
    return train(
        vectors(12, 1), vectors(5, 2), data(), data(50, seed=9),
        method=get_method("rid")(q=4, r=1 / 2), taps=[("2", "2")], recipe=recipe, strict=True,
        out=folder, resume=resume, processes=processes, progress=signalling(signal.SIGTERM, stop_at),
    )  # fmt: skip


def run_on_texts(folder: Path, method: str) -> TrainResult:
    """Texts of unequal lengths, whose tokens are matched one by one."""
    held = load_data("sentences", n_train=48, n_test=16, topics=3)
    sizes = {"width": 8, "heads": 2, "dropout": 0.0}
    networks = [
        build_model("bert", held[0].shape, 3, seed, layers=layers, **sizes) for seed, layers in ((0, 2), (1, 1))
    ]
    given = {
        "method": get_method(method)(**({"q": 2, "r": 1 / 2} if method == "rid" else {})),
        "taps": [("layer2", "layer1")],
    }
    recipe = Recipe(epochs=4, batch_size=8, lr=0.02, clip=1.0)
    return train(*networks, *held, recipe=recipe, strict=True, out=folder, **given)  # type: ignore[arg-type, misc]


def run_capped(folder: Path) -> TrainResult:
    """VID at a weight that the cap has to lower, without batch statistics; measured within epochs and across them."""
    torch.manual_seed(7)
    teacher, student = (
        nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Tanh(), nn.Linear(width, CLASSES)) for width in (12, 5)
    )
    method = get_method("vid")(weight=1000.0, depth=1)
    recipe = Recipe(epochs=3, batch_size=16, lr=0.02, clip=1.0, cap=1.0, balance_every=4)
    options = {"method": method, "taps": [("2", "2")], "recipe": recipe, "strict": True, "out": folder}
    return train(teacher, student, data(), data(50, seed=9), **options)  # type: ignore[arg-type]


def run_gated(folder: Path, resume: bool = False, number: int = signal.SIGTERM, stop_at: int = 0) -> TrainResult:
    """VID under a cap that lowers it, with the teacher cached and a gate that moves after each epoch."""
    torch.manual_seed(7)
    teacher, student = (
        nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Tanh(), nn.Linear(width, CLASSES)) for width in (12, 5)
    )
    pairs, audits = [("2", "2")], folder.with_name(f"{folder.name}-audits-{os.environ.get('RANK', 0)}")
    options = {"quantize": Quantizer(n_components=2, n_clusters=4, seed=0), "shuffles": 1}
    monitor = Monitor(teacher, data(150, seed=5), pairs, every=1, gate="unique", folder=audits, **options)
    recipe = Recipe(epochs=4, batch_size=16, lr=0.02, clip=1.0, cap=1.0, balance_every=4)
    return train(
        teacher, student, data(), data(50, seed=9),
        method=get_method("vid")(weight=1000.0, depth=1), taps=pairs, recipe=recipe, strict=True,
        out=folder, resume=resume, progress=signalling(number, stop_at), after_epoch=monitor,
    )  # fmt: skip


def keep_own(folder: Path) -> None:
    """Keep what this process has trained."""
    result = run_on_vectors(folder, processes=2)
    torch.save({**result.student.state_dict(), **result.loss.state_dict()}, f"{folder}.{os.environ['RANK']}")


def run_method(name: str) -> None:
    """Any method."""
    [method] = [method for method in methods() if method.name == name]
    recipe = Recipe(epochs=8, batch_size=32, lr=0.02, clip=5.0)
    train(teacher(), student(), data(), method=method, taps=TAPS, recipe=recipe)


def keep_seen(path: Path, given: str) -> None:
    """Keep the labels that this process sees in each of two epochs, of a data set or of a loader."""
    rows = torch.arange(32)
    dataset = TensorDataset(rows[:, None].float(), rows)
    seen: list[list[int]] = []

    class Watched(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.training:
                seen.append(x[:, 0].long().tolist())
            return super().forward(x)

    data = {"dataset": dataset, "loader": DataLoader(dataset, 8, shuffle=True)}[given]
    train(None, Watched(1, 32), data, method="none", recipe=Recipe(epochs=2, batch_size=8))
    Path(f"{path}.{os.environ['RANK']}").write_text(json.dumps(seen[1:]))  # without the rehearsal


def run_synchronised() -> None:
    """Batch statistics over all devices."""
    recipe = Recipe(epochs=8, batch_size=32, lr=0.02, sync_batchnorm=True)
    method = get_method("rid")(**CYCLES)
    train(teacher(), student(), data(), method=method, taps=TAPS, recipe=recipe, device="cuda")


def signalling(number: int, at: int) -> Callable[[float, object], None]:
    """A progress that sends this process a signal at a step."""
    steps = []

    def progress(part: float, row: object) -> None:
        steps.append(part)
        if len(steps) == at:
            os.kill(os.getpid(), number)

    return progress


def keep_with_buffers(folder: Path) -> None:
    """Keep what this process has trained of a network with batch statistics."""
    result = run_with_state(folder, resume=False)
    torch.save(result.student.state_dict(), f"{folder}.{os.environ['RANK']}")


def be_refused(folder: Path) -> None:
    """Each process keeps why it was refused a folder that another run holds."""
    try:
        run_with_state(folder)
    except InputError as error:
        Path(f"{folder}.{os.environ['RANK']}").write_text(str(error))
        raise SystemExit(2) from error


def lose_a_rank(folder: Path) -> None:
    """The second process is killed after the first epoch; the first keeps the error that it ends with."""

    def end(run: object) -> None:
        if os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        run_with_state(folder, after_epoch=end)
    except LostWorkersError as error:
        Path(f"{folder}.txt").write_text(str(error))
        raise SystemExit(1) from error
