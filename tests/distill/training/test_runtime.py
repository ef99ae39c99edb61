"""Devices, precision and what is global in torch, with CUDA as torch would describe it."""

import pytest

torch = pytest.importorskip("torch")

from pidkd.distill.training.runtime import PRECISIONS, Runtime  # noqa: E402
from pidkd.errors import InputError  # noqa: E402


def settings():
    cudnn = torch.backends.cudnn
    precisions = [place.fp32_precision for place in PRECISIONS]
    return [torch.are_deterministic_algorithms_enabled(), cudnn.benchmark, *precisions]


@pytest.mark.parametrize("told", ["nothing", "tf32", "high"])
def test_strict_is_float32_and_deterministic_whatever_torch_was_told_and_leaves_it_told(told, monkeypatch):
    matmul = torch.backends.cuda.matmul
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    try:
        if told == "tf32":
            matmul.fp32_precision = told
        elif told == "high":
            torch.set_float32_matmul_precision(told)
        before = settings()
        assert before[:2] == [False, True]
        with Runtime(strict=True):
            assert settings() == [True, False, *["ieee"] * len(PRECISIONS)]
            assert not matmul.allow_tf32  # which torch asks on CUDA, and refuses to say where its flags disagree
        assert settings() == before
    finally:
        torch.set_float32_matmul_precision("highest")
        matmul.fp32_precision = "none"


@pytest.fixture
def cuda(monkeypatch):
    """Two devices, as far as a runtime asks before it is entered."""

    def has(bfloat16=True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bfloat16)

    return has


@pytest.mark.parametrize(
    ("options", "bfloat16", "expected"),
    [
        ({}, True, torch.bfloat16),
        ({}, False, torch.float32),
        ({"strict": True}, True, torch.float32),
        ({"precision": "float32"}, True, torch.float32),
        ({"precision": "bfloat16"}, False, torch.bfloat16),
    ],
)
def test_the_precision_on_cuda(cuda, options, bfloat16, expected):
    cuda(bfloat16)
    assert Runtime("cuda", **options).precision == expected


def test_auto_is_the_cuda_device_of_the_process(cuda, monkeypatch):
    assert Runtime("auto").device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    cuda()
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert Runtime("auto").device == torch.device("cuda", 1)
    assert Runtime("cpu").device == torch.device("cpu")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(InputError, match=r"torchrun --nproc-per-node: expected at most 2, one process for each device"):
        Runtime("auto")


def test_strict_is_not_bfloat16():
    with pytest.raises(InputError, match=r"train\(strict\): expected a recipe with precision 'float32' or 'auto'"):
        Runtime(strict=True, precision="bfloat16")
