import numpy as np
import pytest
from scipy.special import log_softmax

torch = pytest.importorskip("torch")

from pidkd.distill.methods.none import Undistilled  # noqa: E402


def test_the_teacher_does_not_matter():
    z, y = torch.randn(6, 4).double(), torch.tensor([0, 1, 2, 3, 0, 1])
    for teacher in [(torch.zeros(6, 4), []), (torch.full((6, 9), torch.nan), [])]:
        total, _ = Undistilled().loss(teacher, (z, []))(teacher, (z, []), y)
        assert total.item() == pytest.approx(-np.mean(log_softmax(z.numpy(), axis=1)[np.arange(6), y]), rel=1e-12)
