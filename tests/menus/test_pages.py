"""Screens: within the budget whatever is in them, nothing lost, no character torn."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import text as phone_text
from gateway.core.model import Coding
from menus.pages import Budget, pages

FOOT, MORE = "0返回", "98下页"
TEXT = st.lists(
    st.one_of(
        st.sampled_from(["a", "b ", "€", "^{}", "\n", "会费交至", "九月。", "，"]),
        st.sampled_from(["👩‍👩‍👧", "e\u0301", "🇨🇳", "한", "\u0f40\u0f7c"]),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=300,
).map("".join)


def test_what_fits_is_one_page() -> None:
    (page,) = pages("1会费 7咨询\n8我的 9设置", foot=FOOT, more=MORE, budget=Budget())
    assert page.text == "1会费 7咨询\n8我的 9设置\n0返回"
    assert page.rest == ""


def test_exactly_full_is_still_one_page() -> None:
    body = "会" * (70 - len("\n" + FOOT))
    assert len(pages(body, foot=FOOT, more=MORE, budget=Budget())) == 1
    assert len(pages(body + "会", foot=FOOT, more=MORE, budget=Budget())) == 2


def test_every_page_but_the_last_offers_more() -> None:
    found = pages("会" * 150, foot=FOOT, more=MORE, budget=Budget())
    assert [page.text.rpartition("\n")[2] for page in found] == ["98下页 0返回"] * 2 + ["0返回"]
    assert found[0].rest == "会" * (150 - found[0].text.count("会"))


def test_lines_and_words_stay_whole_where_they_can() -> None:
    body = "\n".join(f"{n}) a notice about something" for n in range(1, 9))
    found = pages(body, foot="0 Back", more="98 More", budget=Budget())
    assert len(found) == 2
    assert found[0].text.endswith("a notice about something\n98 More 0 Back")
    assert found[1].text.startswith("6) ")


def test_a_family_is_not_torn_apart() -> None:
    family = "👩‍👩‍👧‍👦"
    found = pages(family * 20, foot=FOOT, more=MORE, budget=Budget())
    for page in found:
        body = page.text.rpartition("\n")[0]
        assert set(regex.findall(r"\X", body)) == {family}


def test_a_cluster_longer_than_a_screen_does_not_stop_it() -> None:
    monster = "e" + "\u0301" * 300
    found = pages(monster, foot=FOOT, more=MORE, budget=Budget())
    assert len(found) > 3
    assert "".join(page.text.rpartition("\n")[0] for page in found) == monster


def test_a_network_without_ucs2_gets_what_it_can_show() -> None:
    (page,) = pages("café canción 会费 ł", foot="0 Back", more="98 More", budget=Budget(ucs2_ok=False))
    assert page.text == "café cancion ?? ?\n0 Back"  # GSM 03.38 has é but no ó
    assert phone_text.fits_gsm7(page.text)


@pytest.mark.parametrize("budget", [Budget(), Budget(gsm7=182, ucs2=80), Budget(ucs2_ok=False)])
@given(body=TEXT)
def test_every_screen_fits_and_nothing_is_lost(budget: Budget, body: str) -> None:
    found = pages(body, foot=FOOT if budget.ucs2_ok else "0 Back", more="98", budget=budget)
    for page in found:
        coding, units = phone_text.units(page.text)
        assert units <= (budget.gsm7 if coding is Coding.GSM7 else budget.ucs2)
    shown = "".join(page.text.rpartition("\n")[0] if "\n" in page.text else "" for page in found)
    assert "".join(shown.split()) == "".join(budget.shown(body).split())
    assert found[-1].rest == ""
