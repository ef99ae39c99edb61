import pickle

import pytest

from pidkd import errors
from pidkd.errors import (
    IncompatibleInputError,
    InputError,
    MissingDependencyError,
    PidkdError,
    SolverError,
    UnknownNameError,
    import_extra,
)


def test_a_message_says_where_what_and_what_to_do() -> None:
    error = InputError("Pmf(p)", "a sum of 1", "2", "divide by it")
    assert str(error) == "Pmf(p): expected a sum of 1, got 2; divide by it"
    assert (error.where, error.what) == ("Pmf(p)", "expected a sum of 1, got 2; divide by it")
    assert str(InputError("Pmf(p)", "a sum of 1", "2")) == "Pmf(p): expected a sum of 1, got 2"


@pytest.mark.parametrize(
    "error",
    [
        InputError("here", "this", "that", "do so"),
        IncompatibleInputError("here", "this", "that"),
        UnknownNameError("here", "a colour", "gren", ["red", "green"]),
    ],
)
class TestEveryInputError:
    def test_survives_the_way_out_of_a_worker_process(self, error: InputError) -> None:
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), again.where, again.what) == (
            type(error),
            str(error),
            error.where,
            error.what,
        )

    def test_moves_to_where_the_user_wrote_it(self, error: InputError) -> None:
        moved = error.at("there")
        assert (type(moved), moved.where, moved.what) == (type(error), "there", error.what)

    def test_is_a_value_error_too(self, error: InputError) -> None:
        assert isinstance(error, ValueError)
        assert isinstance(error, PidkdError)


def test_an_unknown_name_lists_the_known_and_suggests_the_nearest() -> None:
    text = str(UnknownNameError("layer=", "a layer", "fc-1", ["fc2", "conv", "fc1"]))
    assert text == "layer=: expected a layer, one of conv, fc1, fc2, got 'fc-1'; did you mean 'fc1'?"


def test_an_unknown_name_far_from_all_gets_no_suggestion() -> None:
    assert (
        str(UnknownNameError("layer=", "a layer", "xyz", ["fc1"])) == "layer=: expected a layer, one of fc1, got 'xyz'"
    )
    assert "one of (none), got 'xyz'" in str(UnknownNameError("layer=", "a layer", "xyz", []))


def test_a_name_need_not_be_a_string_to_be_unknown() -> None:
    assert str(UnknownNameError("layer=", "a layer", 3, ["fc1"])).endswith("got 3")


def test_a_solver_error_keeps_its_result_in_a_pickle() -> None:
    again = pickle.loads(pickle.dumps(SolverError("broja: no finite answer")))
    assert isinstance(again, SolverError)
    assert again.result is None


def test_a_missing_package_names_the_extra() -> None:
    with pytest.raises(MissingDependencyError) as caught:
        import_extra("no_such_package.part", "cvx", needed_by="estimator 'broja_cvx'")
    assert str(caught.value) == (
        "estimator 'broja_cvx': expected the package 'no_such_package', got an environment without it; "
        "it is of the extra pidkd[cvx]; in a checkout: pip install -e '.[cvx]'"
    )
    assert isinstance(caught.value, ImportError)


def test_a_package_that_is_there_is_imported() -> None:
    assert import_extra("json.decoder", "none", needed_by="this test").JSONDecoder


@pytest.mark.parametrize(
    "fault",
    ["import no_such_module_of_its_own", "raise ImportError('libsomething.so: cannot open shared object file')"],
)
def test_a_broken_package_is_not_called_missing(fault: str, tmp_path, monkeypatch) -> None:
    (tmp_path / "broken_package.py").write_text(fault)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError) as caught:
        import_extra("broken_package", "cvx", needed_by="this test")
    assert not isinstance(caught.value, MissingDependencyError)


def test_every_warning_is_a_pidkd_warning() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Warning)]
    assert all(issubclass(kind, errors.PidkdWarning) for kind in kinds)
