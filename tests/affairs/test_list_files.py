"""Lists of people as spreadsheets save them: encodings, titles, quotes, and what was not understood."""

from __future__ import annotations

import pytest

from gateway.affairs.notices import list_files
from gateway.affairs.notices.drafts import Refused
from gateway.affairs.notices.lists import Line


@pytest.mark.parametrize(
    "octets",
    [
        "姓名,手机\n王玉兰,13800000007\n,\n\n李四,13800000008\n".encode(),
        "姓名,手机\n王玉兰,13800000007\n,\n\n李四,13800000008\n".encode("utf-8-sig"),
        "姓名,手机\r\n王玉兰,13800000007\r\n,\r\n\r\n李四,13800000008\r\n".encode("gb18030"),
        "姓名\t手机\n王玉兰\t13800000007\n\t\n\n李四\t13800000008\n".encode("utf-16"),
        '姓名;手机\n"王;玉兰";13800000007\n;\n\n李四;13800000008'.encode(),
    ],
    ids=["utf-8", "with a mark", "gb18030", "utf-16", "semicolons"],
)
def test_a_sheet_is_read_by_its_titles_in_any_encoding(octets: bytes) -> None:
    assert list_files.read(octets) == [Line(2, "13800000007"), Line(5, "13800000008")]


def test_a_member_number_stands_in_for_a_phone_that_is_missing() -> None:
    assert list_files.read(b"no,phone\nA0001,13800000007\nA0002,\n") == [Line(2, "13800000007"), Line(3, "A0002")]


def test_one_a_line_needs_no_title_and_an_unknown_title_is_no_number() -> None:
    assert list_files.read(b"13800000007\n'A0002\n") == [Line(1, "13800000007"), Line(2, "A0002")]
    assert list_files.read("名单,备注\n13800000007,x\n".encode()) == [Line(2, "13800000007")]


@pytest.mark.parametrize(("octets", "why"), [(b"PK\x03\x04...", "workbook"), (b"", "empty"), (b"\n \n,,\n", "empty")])
def test_what_is_no_list_is_refused(octets: bytes, why: str) -> None:
    with pytest.raises(Refused) as refused:
        list_files.read(octets)
    assert refused.value.why == why


def test_a_list_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_files, "MOST", 2)
    with pytest.raises(Refused) as refused:
        list_files.read(b"1\n2\n3\n")
    assert refused.value.why == "many"
