"""Runtime: device, precision, determinism, one process or several, and the signals that end a run."""

from __future__ import annotations

import os
import random
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import FrameType
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pidkd.errors import Argument, InputError, LostWorkersError, PidkdError, reason
from pidkd.parameters import check_choice
from pidkd.parent import end_with_parent

PRECISIONS = (
    *(torch.backends.cudnn.conv, torch.backends.cudnn.rnn, torch.backends.cuda.matmul),  # type: ignore[attr-defined]
    *(torch.backends.mkldnn.conv, torch.backends.mkldnn.rnn, torch.backends.mkldnn.matmul),  # type: ignore[attr-defined]
)
"""Where torch may have been told, or decides by itself (convolutions on CUDA), to use fewer bits for float32."""

T = TypeVar("T")


class Runtime(AbstractContextManager["Runtime"]):
    """One process of a run, entered for as long as the run takes.

    Several processes are started by ``torchrun``, and find each other here. They do the same, each on its share of
    every batch; the main one, of rank 0, writes the files.

    Parameters
    ----------
    device : {"cpu", "cuda", "auto"}
        "auto" is CUDA where there is one.
    processes : int, optional
        How many there are meant to be; the run is refused when they are not.
    strict : bool
        Only deterministic operations, in float32.
    precision : {"auto", "float32", "bfloat16"}
        As for ``Recipe``.

    Attributes
    ----------
    rank, world_size : int
    device : torch.device
    stopping : int or None
        The signal that asks this process to stop, once there was one. A second one is not waited for.

    Raises
    ------
    InputError
        When there is no CUDA device, or another number of processes than was asked for.
    """

    def __init__(
        self, device: str = "cpu", *, processes: int | None = None, strict: bool = False, precision: str = "auto"
    ) -> None:
        self.rank, self.world_size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        if processes not in (None, self.world_size):
            hint = f"start it with: torchrun --nproc-per-node {processes} ..."
            raise InputError(
                Argument("train", "processes"), f"{processes} processes, as asked for", str(self.world_size), hint
            )
        self.device = device_of(device)
        self.strict = strict
        fast = self.device.type == "cuda" and not strict and torch.cuda.is_bf16_supported(including_emulation=False)
        low = precision == "bfloat16" or (precision == "auto" and fast)
        if strict and precision == "bfloat16":
            raise InputError(Argument("train", "strict"), "a recipe with precision 'float32' or 'auto'", "'bfloat16'")
        self.precision = torch.bfloat16 if low else torch.float32
        self.stopping: int | None = None
        self._undo = ExitStack()

    def __enter__(self) -> Runtime:
        """Join the other processes, set what is global in torch, and listen to SIGTERM and Ctrl-C."""
        self._undo.callback(set_random_state, random_state(self.device))
        if self.strict:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it CUDA refuses to be deterministic
            self._undo.callback(torch.use_deterministic_algorithms, torch.are_deterministic_algorithms_enabled())
            torch.use_deterministic_algorithms(True)
            if (told := _matmul_precision()) != "highest":  # torch multiplies no matrices where its two flags disagree
                self._undo.callback(torch.set_float32_matmul_precision, told)
                torch.set_float32_matmul_precision("highest")
            for place in PRECISIONS:
                self._set(place, "fp32_precision", "ieee")
        self._set(torch.backends.cudnn, "benchmark", not self.strict)
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        self._undo.enter_context(together(self.device))
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._undo.callback(signal.signal, number, signal.signal(number, self._stop))
        return self

    def __exit__(self, *error: Any) -> None:
        """Leave everything as it was."""
        self._undo.__exit__(*error)

    def _set(self, place: Any, name: str, value: Any) -> None:
        """Set what is global, until the runtime is left."""
        self._undo.callback(setattr, place, name, getattr(place, name))
        setattr(place, name, value)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.stopping is not None:
            raise KeyboardInterrupt
        self.stopping = number

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    @property
    def place(self) -> tuple[torch.device, int, int]:
        """Device, rank and number of processes, as ``Batches`` take them."""
        return self.device, self.rank, self.world_size

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision of the networks."""
        return torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32)

    def wrap(self, module: nn.Module) -> nn.Module:
        """A module whose gradients are means over all processes: those of its parameters that need one now."""
        if self.world_size == 1:
            return module
        return DistributedDataParallel(module, device_ids=[self.device] if self.device.type == "cuda" else None)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.world_size > 1:
            dist.all_reduce(values)
        return values

    def share_buffers(self, module: nn.Module) -> None:
        """Give every process the buffers of the main one, which are those that are saved.

        Statistics of batches are of the share of a process; without this, networks would differ from then on, and from
        those of a run that was stopped here and resumed.
        """
        for buffer in module.buffers() if self.world_size > 1 else ():
            dist.broadcast(buffer, src=0)

    def any(self, flag: bool) -> bool:
        """Whether it holds in any process."""
        return bool(self.sum(torch.tensor(int(flag))) > 0) if self.world_size > 1 else flag

    def gather(self, value: Any) -> list[Any]:
        """Values of all processes, by rank."""
        return gather(value)

    def seed(self, seed: int) -> None:
        """Seed what layers and data sets draw from: torch, numpy and random.

        On the CPU alike in every process, so that all load the same batches to take their shares of; on CUDA by rank.
        """
        torch.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed ^ self.rank)
        np.random.seed(seed % 2**32)  # noqa: NPY002 data sets of others draw from it
        random.seed(seed)


def rank_of() -> tuple[int, int]:
    """Rank of this process, and the number of those that are together."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def gather(value: Any) -> list[Any]:
    """Values of all processes that are together, by rank."""
    world_size = rank_of()[1]
    if world_size == 1:
        return [value]
    values: list[Any] = [None] * world_size
    dist.all_gather_object(values, value)
    return values


def from_main(attempt: Callable[[], T]) -> T | None:
    """Result of an attempt of the main process, ``None`` in all others; an error of pidkd is raised in each."""
    result: T | None = None
    refusal: PidkdError | None = None
    if rank_of()[0] == 0:
        try:
            result = attempt()
        except PidkdError as error:
            refusal = error
    if (refusal := gather(refusal)[0]) is not None:
        raise refusal
    return result


def random_state(device: torch.device) -> dict[str, Any]:
    """States of the global generators of torch, numpy and random, as plain values and tensors."""
    legacy: Any = np.random.get_state()  # noqa: NPY002
    _, keys, *rest = legacy
    state = {"torch": torch.get_rng_state(), "numpy": [keys.tolist(), *rest], "random": random.getstate()}
    return state | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def set_random_state(state: dict[str, Any]) -> None:
    """Put them back there."""
    torch.set_rng_state(state["torch"])
    keys, *rest = state["numpy"]
    np.random.set_state(("MT19937", np.array(keys, np.uint32), *rest))  # noqa: NPY002
    version, numbers, rest = state["random"]
    random.setstate((version, tuple(numbers), rest))
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"])


def _matmul_precision() -> str:
    """Current float32 matmul precision; torch refuses to report it once the newer flags were"""
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return "highest"


@contextmanager
def together(device: torch.device) -> Iterator[None]:
    """The processes that ``torchrun`` has started find each other, and stay together until this is left."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1 or dist.is_initialized():
        yield
        return
    # CPU tensors always by gloo: what is agreed upon between steps does not wait for the device.
    if "TORCHELASTIC_RUN_ID" in os.environ:  # started by torchrun, which may be killed before it can end its processes
        end_with_parent(os.getppid())
    with _ended_by_signals():
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, PidkdError) or not _is_of_a_lost_rank(error):
            raise
        rank, size = dist.get_rank(), dist.get_world_size()
        raise LostWorkersError(
            f"train: expected {size} processes, got one that is gone, as process {rank} noticed ({reason(error)}); "
            "the same command with --resume (resume=True) goes on from the last checkpoint"
        ) from error
    finally:
        dist.destroy_process_group()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """The system ends this process: while it waits for others in torch, Python hears of no signal."""
    numbers = [signal.SIGTERM, signal.SIGINT] if threading.current_thread() is threading.main_thread() else []
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_of_a_lost_rank(error: RuntimeError) -> bool:
    """Whether another process has ended in the middle of a sum."""
    text = str(error).lower()
    return isinstance(error, dist.DistError) or any(word in text for word in ("gloo", "nccl", "connection closed"))


def device_of(name: str) -> torch.device:
    """The device of this process: "cpu", "cuda" or "auto", which is CUDA where there is one.

    Raises
    ------
    InputError
        When it is not there.
    """
    check_choice(Argument("train", "device"), name, ("cpu", "cuda", "auto"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a driver that is missing or old warns
        n_devices = torch.cuda.device_count() if name != "cpu" and torch.cuda.is_available() else 0
    if name == "cuda" and not n_devices:
        hint = "use device='cpu', or 'auto' for what there is"
        raise InputError(
            Argument("train", "device"),
            "a CUDA device, as asked for",
            f"none that torch {torch.__version__} sees",
            hint,
        )
    if not n_devices:
        return torch.device("cpu")
    local = int(os.environ.get("LOCAL_RANK", 0))
    if local >= n_devices:
        raise InputError(
            "torchrun --nproc-per-node", f"at most {n_devices}, one process for each device", f"{local + 1}"
        )
    return torch.device("cuda", local)
