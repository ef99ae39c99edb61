"""Progress where stderr is no terminal."""

from pidkd.cli import console


def test_a_pipe_gets_lines_of_progress_and_not_too_many(monkeypatch, capsys):
    moments = iter([0.0, 10.0, 31.0, 40.0, 70.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(moments))
    with console.progress_bar("auditing") as progress:
        for fraction in (0.1, 0.25, 0.3, 0.5):
            progress(fraction, "l3")
    assert capsys.readouterr().err == "auditing: 25% after 31 s, l3\nauditing: 50% after 70 s, l3\n"
