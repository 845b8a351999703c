"""Problems: how they read, in which order they come, and that each comes once."""

from __future__ import annotations

from xyfleet.supervisor.config.reading.problems import BAD, MAX_PROBLEMS, At, BadFile, Problem, Problems, problem


def test_a_problem_reads_place_account_key_message_remedy() -> None:
    """The text is `file:line: account: key: message; remedy`."""
    found = problem(At("a.yml", 3, "shop", "retry.jitter"), "is too large", "use at most 1")

    assert str(found) == "a.yml:3: shop: retry.jitter: is too large; use at most 1"


def test_absent_parts_are_left_out() -> None:
    """A problem of a whole file names the file only."""
    assert str(Problem(file="a.yml", message="is empty")) == "a.yml: is empty"


def test_child_places_are_dotted() -> None:
    """A setting's key is its path below the account or the file."""
    at = At("a.yml", 1, "shop").child("retry", 2).child("jitter", 3)

    assert at == At("a.yml", 3, "shop", "retry.jitter")


def test_problems_come_once_and_by_line() -> None:
    """The same problem noted twice is one; files keep their order, lines count within a file."""
    problems = Problems()
    for file, line in (("b", 9), ("a", 5), ("b", 2), ("b", 9)):
        problems.add(At(file, line), "wrong")

    assert [(one.file, one.line) for one in problems.all()] == [("b", 2), ("b", 9), ("a", 5)]


def test_warnings_are_no_problems() -> None:
    """A warning does not make the file bad."""
    problems = Problems()
    problems.warn(At("a", 1), "odd")

    assert not problems
    assert [one.message for one in problems.warnings()] == ["odd"]
    assert problems.all() == []


def test_a_flood_is_cut_and_counted() -> None:
    """Beyond the most problems listed, the rest is a number."""
    problems = Problems()
    for line in range(MAX_PROBLEMS + 7):
        problems.add(At("a", line), "wrong")

    found = problems.all()
    assert len(found) == MAX_PROBLEMS + 1
    assert found[-1].message == "7 more problems are not listed"


def test_bad_stands_for_a_value_and_is_false() -> None:
    """Noting a problem returns the stand-in, which prints as what it is."""
    assert Problems().add(At("a"), "wrong") is BAD
    assert not BAD
    assert repr(BAD) == "BAD"


def test_bad_file_prints_every_problem() -> None:
    """The exception's text has one line per problem."""
    error = BadFile([Problem(file="a", message="x"), Problem(file="b", message="y")])

    assert str(error) == "a: x\nb: y"
