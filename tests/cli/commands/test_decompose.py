"""``pidkd decompose --posteriors``: what one model says of y, given each of its inputs and both."""

import json

import numpy as np
import pytest

import pidkd
from pidkd.cli.main import main
from pidkd.result import ATOMS


@pytest.fixture
def joint():
    """A table p(y, v, l) of three answers, four pictures and five texts."""
    return np.random.default_rng(3).dirichlet(np.full(60, 0.3)).reshape(3, 4, 5)


@pytest.fixture
def arrays(joint):
    """1,500 samples of the table with their true posteriors."""
    rng = np.random.default_rng(0)
    y, v, text = np.unravel_index(rng.choice(joint.size, 1500, p=joint.ravel()), joint.shape)
    p_v, p_l = ((m / m.sum(axis=0)).T for m in (joint.sum(axis=2), joint.sum(axis=1)))
    p_vl = np.moveaxis(joint / joint.sum(axis=0), 0, -1)
    return {"y": y, "p_v": p_v[v], "p_l": p_l[text], "p_vl": p_vl[v, text]}


def _decomposed(capsys, *arguments):
    assert main(("decompose", *map(str, arguments), "--json")) == 0
    return json.loads(capsys.readouterr().out)


def test_atoms_of_inputs_are_those_of_the_table(tmp_path, capsys, arrays, joint):
    np.savez(tmp_path / "model.npz", **arrays)
    answer = _decomposed(capsys, "--posteriors", tmp_path / "model.npz", "--units", "nats")
    exact = pidkd.decompose(pidkd.Pmf(joint), units="nats")
    for name in ATOMS:
        assert answer[name] == pytest.approx(exact.atoms[name], abs=0.05)


def test_names_of_sources_and_logits_change_nothing(tmp_path, capsys, arrays):
    names = {"p_v": "t", "p_l": "s", "p_vl": "ts"}
    of_kind = {"p": lambda p: p, "z": lambda p: np.log(p + 1e-300)}
    answers = []
    for kind, form in of_kind.items():
        named = {f"{kind}_{names[name]}": form(p) for name, p in arrays.items() if name in names}
        np.savez(tmp_path / f"{kind}.npz", labels=arrays["y"], **named)
        answers.append(_decomposed(capsys, "--posteriors", tmp_path / f"{kind}.npz"))
    for name in ATOMS:
        assert answers[0][name] == pytest.approx(answers[1][name], abs=1e-6)


def test_given_and_by_take_labels_of_the_rows(tmp_path, capsys, arrays):
    np.savez(tmp_path / "model.npz", **arrays)
    np.save(tmp_path / "prompt.npy", np.arange(1500) % 2)
    file = ("--posteriors", tmp_path / "model.npz")
    given = _decomposed(capsys, *file, "--given", tmp_path / "prompt.npy")
    assert given["provenance"]["given"] == {"0": 750, "1": 750}
    by = _decomposed(capsys, *file, "--by", tmp_path / "prompt.npy")
    assert by["by"]


@pytest.mark.parametrize(
    ("change", "got"),
    [
        ({"p_l": None}, "got arrays y, p_v, p_vl"),
        ({"y": None}, "got arrays p_v, p_l, p_vl"),
        ({"z_t": np.zeros((1500, 3))}, "got arrays y, p_v, p_l, p_vl, z_t"),
        ({"p_l": np.full((1500, 3), 0.5)}, "expected rows of probabilities that sum to 1"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(tmp_path, capsys, arrays, change, got):
    np.savez(tmp_path / "model.npz", **{k: v for k, v in (arrays | change).items() if v is not None})
    assert main(("decompose", "--posteriors", str(tmp_path / "model.npz"))) == 2
    message = capsys.readouterr().err
    assert got in message
    assert "model.npz" in message
    assert message.count("\n") == 1


def test_posteriors_stand_alone(tmp_path, capsys):
    assert main(("decompose", "table.npy", "--posteriors", "model.npz")) == 2
    assert "expected --posteriors alone" in capsys.readouterr().err


def test_a_table_of_columns_y_t_s_is_samples(tmp_path, capsys):
    lines = [
        "Teacher,y,s,id",
        *(f"{'ab'[y]},{y},{s},{7}" for y, s in ((0, 0), (0, 1), (1, 0), (1, 1)) for _ in range(50)),
    ]
    (tmp_path / "samples.csv").write_text("\n".join(lines))
    answer = _decomposed(capsys, tmp_path / "samples.csv")
    assert answer["unique_t"] == pytest.approx(1.0)
    assert answer["n_samples"] == 200


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("bought,t,s\n1,0,0\n", "columns bought, t, s"),
        ("y\n1\n0\n", "one column; name them so"),
        ("y;t;s\n1;0;0\n", "one column; separate them by commas"),
        ("", "one column"),
        ("y,t,s\n", "a heading alone"),
    ],
)
def test_a_table_without_these_columns_is_refused(tmp_path, capsys, text, got):
    path = tmp_path / "samples.csv"
    path.write_text(text)
    assert main(("decompose", str(path))) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"pidkd decompose: {path}: expected")
    assert got in said
    assert len(said.splitlines()) == 1
