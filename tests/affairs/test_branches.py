from __future__ import annotations

import pytest
from sqlalchemy import Connection

from gateway.affairs import branches
from gateway.core.ids import Ids
from tests.affairs.people import branch, person


@pytest.fixture
def tree(conn: Connection, ids: Ids) -> dict[str, int]:
    """53 > 5301 > 530102, and 53 > 54; 5 is another root, whose code is how the others begin."""
    return {
        code: branch(conn, ids, code, parent)
        for code, parent in (("53", None), ("5301", "53"), ("530102", "5301"), ("54", "53"), ("5", None))
    }


def codes(found: tuple[branches.Branch, ...]) -> list[str]:
    return [each.code for each in found]


def test_a_subtree_is_a_prefix_of_paths(conn: Connection, tree: dict[str, int]) -> None:
    assert codes(branches.subtree(conn, "/53/")) == ["53", "5301", "530102", "54"]
    assert codes(branches.subtree(conn, "/53/5301/")) == ["5301", "530102"]
    assert codes(branches.subtree(conn, "/5/")) == ["5"]
    assert len(branches.subtree(conn, "")) == 5
    assert len(branches.subtree(conn, "", limit=2)) == 2


def test_the_way_down(conn: Connection, tree: dict[str, int]) -> None:
    found = branches.by_code(conn, "530102")
    assert found is not None
    assert found.path == "/53/5301/530102/"
    assert codes(branches.way(conn, found)) == ["53", "5301", "530102"]
    assert branches.by_id(conn, tree["530102"]) == found
    assert branches.by_code(conn, "99") is None


def test_children_are_counted(conn: Connection, ids: Ids, tree: dict[str, int]) -> None:
    person(conn, ids, "1", tree["54"])
    person(conn, ids, "2", tree["54"])
    assert [child.branch.code for child in branches.children(conn, None)] == ["5", "53"]
    below = branches.children(conn, tree["53"])
    assert [(child.branch.code, child.children, child.members) for child in below] == [("5301", 1, 0), ("54", 0, 2)]


def test_moving_a_branch_moves_what_is_below_it(conn: Connection, tree: dict[str, int]) -> None:
    branches.move(conn, "5301", "54")
    assert {found.code: found.path for found in branches.subtree(conn, "/53/")} == {
        "53": "/53/",
        "54": "/53/54/",
        "5301": "/53/54/5301/",
        "530102": "/53/54/5301/530102/",
    }
    assert branches.move(conn, "530102", None).path == "/530102/"
    assert branches.by_code(conn, "530102") == branches.Branch(
        tree["530102"], "530102", "安河村支部530102", None, "/530102/"
    )


def test_what_the_tree_refuses(conn: Connection, ids: Ids, tree: dict[str, int]) -> None:
    for parent in ("5301", "530102"):
        with pytest.raises(branches.Refused, match="below"):
            branches.move(conn, "5301", parent)
    with pytest.raises(branches.Refused, match="already"):
        branch(conn, ids, "53")
    with pytest.raises(branches.Refused, match="no branch 99"):
        branch(conn, ids, "98", "99")
    for code in ("", "a/b", "5%", "支部", "1" * 21):
        with pytest.raises(branches.Refused, match="letters and digits"):
            branch(conn, ids, code)


def test_letters_of_another_case_are_another_branch(conn: Connection, ids: Ids) -> None:
    branch(conn, ids, "a1")
    branch(conn, ids, "A1")
    branch(conn, ids, "x", "A1")
    assert codes(branches.subtree(conn, "/A1/")) == ["A1", "x"]


def test_find_by_code_or_name(conn: Connection, ids: Ids, tree: dict[str, int]) -> None:
    branches.rename(conn, "54", "100%_滨江社区")
    assert codes(branches.find(conn, "滨江")) == ["54"]
    assert codes(branches.find(conn, "%_")) == ["54"]
    assert codes(branches.find(conn, "5301")) == ["5301", "530102"]
    assert codes(branches.find(conn, "5", path="/53/5301/")) == ["5301", "530102"]


def test_a_name_in_any_case_and_the_branch_that_is_meant(conn: Connection, ids: Ids, tree: dict[str, int]) -> None:
    branches.rename(conn, "54", "Riverside")
    assert codes(branches.find(conn, "riverSIDE")) == ["54"]
    branches.rename(conn, "5301", "第一支部")
    branches.rename(conn, "530102", "第一支部")
    found = {words: branches.meant(conn, words) for words in ("53", "river", "第一支部", "支部", "", "nothing")}
    assert {words: each.code if each else None for words, each in found.items()} == {
        "53": "53", "river": "54", "第一支部": None, "支部": None, "": None, "nothing": None
    }  # fmt: skip
    branches.rename(conn, "530102", "第一支部小组")
    one = branches.meant(conn, "第一支部")  # a whole name, though it is a part of another
    assert one is not None
    assert one.code == "5301"


def test_a_level_comes_in_pages(conn: Connection, ids: Ids, tree: dict[str, int]) -> None:
    for number in range(5):
        branch(conn, ids, f"54{number}", "54")
    first = branches.children(conn, tree["54"], limit=3)
    assert [child.branch.code for child in first] == ["540", "541", "542"]
    rest = branches.children(conn, tree["54"], after="542", limit=3)
    assert [child.branch.code for child in rest] == ["543", "544"]
    assert [child.branch.code for child in branches.listed(conn, ["544", "53", "nothing"])] == ["53", "544"]
