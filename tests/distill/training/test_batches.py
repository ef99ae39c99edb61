import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.utils.data import (  # noqa: E402
    BatchSampler,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    TensorDataset,
)

from pidkd.distill.dataset import ImageData  # noqa: E402
from pidkd.distill.training.batches import augment  # noqa: E402
from pidkd.distill.training.evaluation import evaluate  # noqa: E402
from pidkd.distill.training.opening import hold_out, open_batches  # noqa: E402
from pidkd.distill.training.recipe import Recipe  # noqa: E402
from pidkd.errors import InputError  # noqa: E402

CPU = torch.device("cpu")
N = 20
RNG = np.random.default_rng(0)
IMAGES = ImageData(RNG.integers(0, 256, (N, 6, 5, 3), dtype=np.uint8), np.arange(N) % 4, 4, (0.5, 0.4, 0.3), (1, 2, 4))
ROWS = torch.arange(N)


def opened(data, rank=0, world_size=1, seed=0, training=True, **recipe):
    recipe = Recipe(batch_size=recipe.pop("batch_size", 4), **recipe)
    return open_batches(data, "data", recipe, seed, (CPU, rank, world_size), training=training)


def labels(batches, epoch, start=0):
    return [y.tolist() for _, y in batches.epoch(epoch, start)]


PAIRS = TensorDataset(ROWS[:, None], ROWS)
DRAWN = BatchSampler(RandomSampler(PAIRS, generator=torch.Generator()), 4, drop_last=False)


@pytest.mark.parametrize(
    "data",
    [(ROWS.float()[:, None], ROWS), DataLoader(PAIRS, 4, shuffle=True), DataLoader(PAIRS, batch_sampler=DRAWN)],
    ids=["arrays", "loader", "batch sampler"],
)
def test_an_epoch_has_each_sample_once_in_an_order_of_its_own(data):
    batches = opened(data)
    orders = []
    for epoch in range(3):
        torch.manual_seed(epoch)
        orders.append([row for batch in labels(batches, epoch) for row in batch])
    assert all(sorted(order) == list(range(N)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    torch.manual_seed(1)
    assert labels(batches, 1, start=3) == [orders[1][12:16], orders[1][16:]]


def test_the_order_is_that_of_the_seed():
    data = (ROWS.float()[:, None], ROWS)
    assert labels(opened(data, seed=1), 0) == labels(opened(data, seed=1), 0) != labels(opened(data, seed=2), 0)


@pytest.mark.parametrize("data", [IMAGES, (ROWS.float()[:, None], ROWS), TensorDataset(ROWS[:, None], ROWS)])
def test_two_processes_share_each_batch(data):
    def seen(rank, world_size):
        torch.manual_seed(0)
        recipe = {"flip": True, "crop": 2} if data is IMAGES else {}
        return list(opened(data, rank, world_size, **recipe).epoch(0))

    for (x, y), (x0, y0), (x1, y1) in zip(seen(0, 1), seen(0, 2), seen(1, 2), strict=True):
        assert torch.equal(x, torch.cat([x0, x1]))
        assert torch.equal(y, torch.cat([y0, y1]))


def test_images_are_normalised_and_else_as_they_are():
    x, y = zip(*opened(IMAGES).in_order(), strict=True)
    expected = (IMAGES.images.transpose(0, 3, 1, 2) / 255 - np.reshape(IMAGES.mean, (3, 1, 1))) / np.reshape(
        IMAGES.std, (3, 1, 1)
    )
    np.testing.assert_allclose(torch.cat(x), expected, atol=1e-6)
    assert torch.cat(y).tolist() == IMAGES.labels.tolist()
    assert {part.dtype for part in x} == {torch.float32}


def test_every_cut_and_mirroring_is_one_of_the_padded_image():
    pad = 2
    seen = set()
    batches = opened(IMAGES, flip=True, crop=pad, batch_size=N)
    padded = np.pad(IMAGES.images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    mean, std = (np.array(value) for value in (IMAGES.mean, IMAGES.std))
    for epoch in range(12):
        for x, _ in batches.epoch(epoch):
            bytes_ = np.round((x.permute(0, 2, 3, 1).numpy() * std + mean) * 255).astype(np.uint8)
            for image in bytes_:
                found = None
                for row in range(N):
                    for mirrored in (False, True):
                        whole = padded[row, :, ::-1] if mirrored else padded[row]
                        for i in range(2 * pad + 1):
                            for j in range(2 * pad + 1):
                                if np.array_equal(whole[i : i + 6, j : j + 5], image):
                                    found = (mirrored, i, j)
                assert found is not None
                seen.add(found)
    assert len(seen) > 40  # of the 50 that there are


def test_an_image_that_is_neither_cut_nor_mirrored_stays():
    images = torch.randint(0, 256, (3, 4, 5, 2), dtype=torch.uint8)
    same = augment(images, torch.zeros(3, dtype=torch.bool), torch.full((3, 2), 2), 2)
    assert torch.equal(same, images)
    assert torch.equal(augment(images, torch.ones(3, dtype=torch.bool), torch.zeros(3, 2).long(), 0), images.flip(2))


@pytest.mark.parametrize("data", [IMAGES, (np.arange(N * 2.0).reshape(N, 2), np.arange(N) % 4)])
def test_what_is_held_out_and_what_is_not_make_the_whole(data):
    parts = hold_out(data, "data", 0.2, seed=1)
    sizes = [len(part) if isinstance(part, ImageData) else len(part[1]) for part in parts]
    assert sizes == [16, 4]
    x = [part.images if isinstance(part, ImageData) else part[0].numpy() for part in parts]
    whole = data.images if isinstance(data, ImageData) else data[0]
    rows = {row.tobytes() for part in x for row in part}
    assert rows == {row.tobytes() for row in whole}


def test_a_data_set_is_held_out_too():
    kept, out = hold_out(TensorDataset(ROWS), "data", 0.25, seed=1)
    assert sorted([*kept.indices, *out.indices]) == list(range(N))


class Endless(IterableDataset):
    def __iter__(self):
        yield from zip(ROWS, ROWS, strict=True)


@pytest.mark.parametrize(
    ("data", "recipe", "message"),
    [
        (Endless(), {}, r"data: expected a loader with a length, got one without"),
        ((ROWS.float(), ROWS), {"flip": True}, r"Recipe\(flip, crop\): expected images in data, got inputs of shape"),
        (
            TensorDataset(ROWS, ROWS),
            {"crop": 1},
            r"Recipe\(flip, crop\): expected images in memory in data",
        ),
        ((ROWS.float(), ROWS[:3]), {}, r"data\[1\]: expected one class label"),
        ((ROWS.float(), ROWS), {"batch_size": 64}, r"Recipe\(batch_size\): expected at most as many as there are"),
    ],
)
def test_data_that_cannot_be_used_is_refused(data, recipe, message):
    with pytest.raises(InputError, match=message):
        opened(DataLoader(data) if isinstance(data, Endless) else data, **recipe)


def test_batches_that_are_no_pairs_of_tensors_are_refused():
    with pytest.raises(InputError, match="data: expected batches of inputs and labels, got list of 1"):
        next(opened(DataLoader(TensorDataset(ROWS), 4)).epoch(0))


def test_a_loader_whose_batches_cannot_be_shared_is_refused():
    with pytest.raises(InputError, match="data: expected batches of a multiple of 3, the number of processes"):
        next(opened(DataLoader(TensorDataset(ROWS, ROWS), 4), world_size=3).epoch(0))


def test_a_loader_that_shares_out_its_samples_itself_is_refused():
    sampler = DistributedSampler(ROWS, num_replicas=2, rank=0)
    loader = DataLoader(TensorDataset(ROWS, ROWS), 4, sampler=sampler)
    with pytest.raises(
        InputError, match=r"data: expected a loader of whole batches, .* got one with a DistributedSamp"
    ):
        opened(loader, world_size=2)


def test_a_loader_cannot_be_split():
    with pytest.raises(InputError, match=r"Recipe\(held_out\): expected data in data that can be split"):
        hold_out(DataLoader(TensorDataset(ROWS, ROWS)), "data", 0.5, 0)
    with pytest.raises(InputError, match=r"Recipe\(held_out\): expected a part of 20 samples that leaves some on both"):
        hold_out((ROWS, ROWS), "data", 0.01, 0)


@pytest.mark.parametrize("batch_size", [3, 20, 64])
def test_evaluation_counts_every_sample_once(batch_size):
    logits = torch.randn(N, 4, generator=torch.Generator().manual_seed(0))
    y = torch.arange(N) % 4
    found = evaluate(torch.nn.Identity(), (logits, y), batch_size=batch_size)
    assert found["accuracy"] == (logits.argmax(1) == y).double().mean().item()
    expected = -torch.log_softmax(logits.double(), 1)[torch.arange(N), y].mean()
    assert found["loss"] == pytest.approx(expected.item(), rel=1e-6)
    as_dataset = evaluate(torch.nn.Identity(), TensorDataset(logits, y), batch_size=batch_size)
    assert as_dataset == pytest.approx(found)


def test_evaluation_leaves_the_mode_and_the_statistics_as_they_were():
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(4), torch.nn.Dropout(0.5)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    evaluate(model, (torch.randn(N, 4), torch.arange(N) % 4))
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_fingerprints_tell_data_apart():
    other = dataclasses.replace(IMAGES, labels=np.roll(IMAGES.labels, 1))
    prints = {opened(data).fingerprint for data in (IMAGES, IMAGES.take(np.arange(N)), other)}
    assert len(prints) == 2
