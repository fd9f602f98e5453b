"""Who reaches what: a role counts within its subtree and nowhere else."""

from __future__ import annotations

from gateway.console.permissions import MAY, Grant, Staff


def person(*grants: tuple[str, str]) -> Staff:
    return Staff(id=1, name="li", language=None, grants=tuple(Grant(role=role, path=path) for role, path in grants))


def test_a_role_of_the_whole_reaches_everything_even_what_has_no_branch() -> None:
    agent = person(("agent", ""))
    assert agent.scope("log") is None
    assert agent.reaches("answer", None)
    assert agent.reaches("answer", "/53/5301/")


def test_a_role_of_a_branch_reaches_its_subtree_only() -> None:
    agent = person(("agent", "/53/5301/"))
    assert agent.scope("log") == ("/53/5301/",)
    assert agent.reaches("case", "/53/5301/530101/")
    assert not agent.reaches("case", "/53/5302/")
    assert not agent.reaches("case", "/53/")
    assert not agent.reaches("case", None)


def test_roles_do_not_lend_each_other_their_reach() -> None:
    both = person(("agent", "/53/5301/"), ("auditor", ""))
    assert both.scope("log") is None
    assert both.scope("queue") == ("/53/5301/",)
    assert not both.reaches("answer", "/53/5302/")
    assert both.reaches("reveal", "/53/5302/")


def test_an_inner_branch_adds_nothing_to_its_outer_one() -> None:
    assert person(("lead", "/53/"), ("agent", "/53/5301/")).scope("queue") == ("/53/",)


def test_administrators_run_the_machine_and_read_no_questions() -> None:
    admin = person(("admin", ""))
    assert admin.may("log")
    assert not any(admin.may(permission) for permission in ("queue", "case", "answer", "reveal"))


def test_nobody_without_a_role_may_anything_but_be_here() -> None:
    nobody = person()
    assert nobody.may("")
    assert not any(nobody.may(permission) for permission in MAY)
    assert nobody.scope("log") == ()
