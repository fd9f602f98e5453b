"""The menu file: the one we ship is right, and every way to be wrong is said before anybody dials."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from menus import tree
from menus.tree import MenuError, item_line, load, rows

SHIPPED = files("menus").joinpath("main.toml").read_text("utf-8")


def write(folder: Path, *changes: tuple[str, str], add: str = "") -> Path:
    text = SHIPPED
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "menu.toml"
    path.write_text(text + add, "utf-8")
    return path


def test_the_shipped_tree_is_right() -> None:
    found = load()
    assert set(found.languages) == {"zh", "en"}
    assert found.ways("11") == (("root", "1"), None)
    way = found.ways("82")
    assert way is not None
    assert way[0] == ("root", "8")
    assert found.ways("55") is None


def test_every_text_is_used_and_none_is_missing() -> None:
    assert set(load().texts) == tree.TEXTS
    sources = "".join(files("menus").joinpath(f"{name}.py").read_text("utf-8") for name in ("step", "view", "engine"))
    for key in tree.TEXTS - {"busy", "late"}:  # which is what the HTTP surface says
        assert f'"{key}"' in sources or f"'{key}'" in sources


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (('digit = 7, go = "7"', 'digit = 1, go = "7"'), "digit 1 stands for two items"),
        (('digit = 7, go = "7"', 'digit = 7, go = "5"'), "there is no screen 5"),
        (('digit = 7, go = "7"', 'digit = 6, go = "7"'), "leads to 7, but its code is 6"),
        (('command = "71"', 'command = "72"'), "leads to 72, but its code is 71"),
        (('digit = 7, go = "7"', "digit = 7"), "must either go to a screen or do a command"),
        (('digit = 7, go = "7"', 'digit = 0, go = "7"'), "digit: must be 1 to 9"),
        (('digit = 7, go = "7"', 'digit = true, go = "7"'), "digit: is not a int"),
        (('head = "11"', 'haed = "11"'), "screens.1: haed: no such setting"),
        (("[screens.7]", "[screens.7]\n\n[screens.77]"), "screens.7: has nothing to show"),
        (('{ zh = "退订", en = "Stop" }', '{ zh = "退订" }'), "label: must be written in zh, en"),
        (('{ zh = "退订", en = "Stop" }', '{ zh = "退订", en = "" }'), "label: en: must be a text"),
        (('{ zh = "退订", en = "Stop" }', '{ zh = "退订", en = 5 }'), "label: en: must be a text"),
        (("会费", "会" * 60), "zh: does not fit one screen"),
        (("Dues", "Dues" * 40), "en: does not fit one screen"),
        (("back = ", "bakc = "), "texts: back: is missing"),
        (("[screens.root]", "[screens.rot]"), "screens: root: is missing"),
        (('answer = "ZH"', "answer = 3"), "answer: is not a str"),
        (("[texts]", "colour = 3\n[texts]"), "colour: no such setting"),
        (('languages = { zh = "中文", en = "English" }', ""), "languages: is missing"),
        (("[texts]", "[texts"), "menu.toml"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, change: tuple[str, str], problem: str) -> None:
    with pytest.raises(MenuError, match=re.escape(problem)):
        load(write(tmp_path, change))


def test_all_problems_are_said_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, ('digit = 7, go = "7"', 'digit = 6, go = "7"'), ('head = "11"', 'head = "12"'), add="")
    path.write_text(path.read_text("utf-8").replace("会费", "会" * 80), "utf-8")
    with pytest.raises(MenuError) as raised:
        load(path)
    assert len(str(raised.value).splitlines()) >= 2


def test_a_screen_nobody_can_reach_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, add='\n[screens.5]\nhead = "51"\n')
    with pytest.raises(MenuError, match="nothing leads here"):
        load(path)


def test_a_tree_may_not_be_too_deep(tmp_path: Path) -> None:
    chain = "".join(
        f'\n[screens.7{"1" * n}]\nitems = [{{ digit = 1, go = "7{"1" * n}1", label = {{ zh = "下", en = "On" }} }}]\n'
        for n in range(1, 5)
    )
    path = write(
        tmp_path,
        (
            "[screens.7]\nitems = [",
            '[screens.7]\nitems = [{ digit = 1, go = "71", label = { zh = "下", en = "On" } },',
        ),
        add=f'{chain}\n[screens.711111]\nhead = "9"\n',
    )
    with pytest.raises(MenuError, match="7 screens deep, 5 is the most"):
        load(path)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(MenuError, match="No such file"):
        load(tmp_path / "none.toml")


def test_items_share_a_row_where_a_small_display_allows() -> None:
    assert rows(["1会费", "2通知", "3投票"]) == "1会费 2通知\n3投票"
    assert rows(["1 Question (by SMS)", "2 Me"]) == "1 Question (by SMS)\n2 Me"


def test_latin_labels_stand_off_from_their_digit() -> None:
    item = load().nodes["8"].items[0]
    assert item_line(item, "zh") == "1绑定"
    assert item_line(item, "en") == "1 Link"
