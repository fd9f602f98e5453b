from __future__ import annotations

import csv
import io
import random
import stat
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from config.model import Organisation
from gateway.affairs import assessing, branches, consent, dues, fields, invitations, members
from gateway.affairs.books import Books
from gateway.affairs.importing import Import, What, run_import
from gateway.affairs.importing_rows import Counts
from gateway.affairs.invitations import Invited
from gateway.affairs.sheets import Sheet, SheetProblem, inert, private_file
from gateway.core import audit
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables.metadata import METADATA
from gateway.core.tables.organisation import branch, member, number, obligation
from tests.affairs.people import LI, NOW, TODAY, WANG, ZHANG

ORGANISATION = Organisation(name="Anhe", country="CN", currency="CNY", language="zh", time_zone="Asia/Shanghai")
BRANCHES = "code,name,parent_code"
MEMBERS = "member_no,phone,branch_code,name,language,dues_class,monthly_amount,joined,paid_to"
Bring = Callable[..., Counts]


class Office:
    """Files brought to the gateway, and what was said of their rows."""

    def __init__(self, conn: Connection, ids: Ids, keys: Keys, folder: Path) -> None:
        self.conn, self._ids, self._keys, self.folder = conn, ids, keys, folder
        self.report: list[tuple[str, ...]] = []
        self.codes: list[list[str]] = []
        self.progress: list[tuple[int, int]] = []

    def bring(
        self,
        what: str,
        header: str,
        rows: Iterable[str],
        *,
        encoding: str = "utf-8",
        now: datetime = NOW,
        invite: bool = False,
        **others: Any,
    ) -> Counts:
        file = self.folder / f"{what}.csv"
        file.write_bytes("\r\n".join([header, *rows, ""]).encode(encoding))
        return self.bring_file(what, file, now=now, invite=invite, **others)

    def bring_file(self, what: str, file: Path, *, now: datetime = NOW, invite: bool = False, **others: Any) -> Counts:
        self.conn.commit()
        report, codes = io.StringIO(), io.StringIO() if invite else None
        job = Import(
            what=What(what),
            file=file,
            organisation=ORGANISATION,
            report=report,
            invite=invite,
            codes=codes,
            keys=self._keys,
            **others,
        )
        try:
            return run_import(
                self.conn, job, new_id=self._ids, random=random.Random(1), now=now, progress=self._progressed
            )
        finally:
            self.report = [tuple(row) for row in csv.reader(io.StringIO(report.getvalue()))][1:]
            self.codes = list(csv.reader(io.StringIO(codes.getvalue()))) if codes else []

    def branches(self, *rows: str, **others: Any) -> Counts:
        return self.bring("branches", BRANCHES, rows, **others)

    def members(self, *rows: str, **others: Any) -> Counts:
        return self.bring("members", MEMBERS, rows, **others)

    def said(self) -> dict[str, str]:
        return {key: f"{outcome} {reason}".strip() for _, key, outcome, reason in self.report}

    def who(self, text: str) -> str | None:
        found = members.by_number(self.conn, text, TODAY).member
        return found and found.member_no

    def _progressed(self, done: int, total: int) -> None:
        self.progress.append((done, total))


@pytest.fixture
def office(conn: Connection, ids: Ids, keys: Keys, tmp_path: Path) -> Office:
    return Office(conn, ids, keys, tmp_path)


@pytest.fixture
def anhe(office: Office) -> Office:
    """An office with two branches."""
    office.branches("53,安河县,", "5301,五里桥支部,53")
    return office


def paths(conn: Connection) -> dict[str, str]:
    return {found.code: found.path for found in branches.subtree(conn, "")}


# --- branches -------------------------------------------------------------------------------------------------


def test_branches_come_in_any_order(office: Office) -> None:
    counts = office.branches("530102,村支部,5301", "5301,镇,53", "53,县,", "54,另一县,")
    assert (counts.rows, counts.created, counts.errors) == (4, 4, 0)
    assert paths(office.conn) == {"53": "/53/", "5301": "/53/5301/", "530102": "/53/5301/530102/", "54": "/54/"}
    assert office.branches("53,县,", "5302,新,53").unchanged == 1
    assert paths(office.conn)["5302"] == "/53/5302/"


def test_branches_that_cannot_be(office: Office) -> None:
    office.branches("53,县,")
    counts = office.branches(
        "a,A,c",
        "b,B,a",
        "c,C,b",
        "below,在环下,a",
        "53,县,",
        "53,县二,",
        "x,X,nowhere",
        "y,Y,x",
        "self,自己,self",
        ",无号,53",
        "5 4,空格,53",
        "54,,53",
        "55,好,53",
        "56,逗号,支部,53",
    )
    assert office.said() == {
        "a": "error parent_code:cycle",
        "b": "error parent_code:cycle",
        "c": "error parent_code:cycle",
        "below": "error parent_code:unknown",
        "53": "error code:earlier_in_file",
        "x": "error parent_code:unknown",
        "y": "error parent_code:unknown",
        "self": "error parent_code:cycle",
        "": "error code:missing",
        "5 4": "error code:unreadable",
        "54": "error name:missing",
        "55": "created",
        "56": "error too_many_cells",
    }
    assert (counts.rows, counts.created, counts.unchanged, counts.errors) == (14, 1, 1, 12)
    assert paths(office.conn) == {"53": "/53/", "55": "/53/55/"}


def test_a_branch_that_would_stand_below_itself_stays_where_it_is(office: Office) -> None:
    office.branches("53,县,", "5301,镇,53", "530102,村,5301")
    office.branches("53,县改名,530102", "530102,村改名,5301")
    assert office.said() == {"53": "error parent_code:cycle", "530102": "error parent_code:cycle"}
    office.branches("53,县改名,530102", "new,新,53")
    assert office.said() == {"53": "error parent_code:cycle", "new": "created"}
    assert paths(office.conn) == {
        "53": "/53/",
        "5301": "/53/5301/",
        "530102": "/53/5301/530102/",
        "new": "/53/new/",
    }


def test_a_second_import_renames_and_moves_with_all_below(office: Office) -> None:
    office.branches("53,县,", "54,另一县,", "5301,镇,53", "530102,村,5301")
    counts = office.branches("5301,镇改名,54")
    assert (counts.updated, counts.created) == (1, 0)
    assert paths(office.conn)["530102"] == "/54/5301/530102/"
    found = branches.by_code(office.conn, "5301")
    assert found is not None
    assert found.name == "镇改名"


def test_a_chain_without_end_is_too_deep(office: Office) -> None:
    counts = office.branches(*(f"n{index},节,{f'n{index - 1}' if index else ''}" for index in range(3000)))
    assert counts.created == 16
    assert office.said()["n16"] == "error parent_code:too_deep"
    assert office.said()["n2999"] == "error parent_code:unknown"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdefg") | st.just("")), min_size=1, max_size=8
        ),
        min_size=1,
        max_size=3,
    )
)
def test_whatever_is_imported_the_tree_stays_a_tree(
    tmp_path: Path, ids: Ids, keys: Keys, files: list[list[tuple[str, str]]]
) -> None:
    made = engine("sqlite://")
    METADATA.create_all(made)
    with made.connect() as conn:
        office = Office(conn, ids, keys, tmp_path)
        for rows in files:
            counts = office.branches(*(f"{code},名,{parent}" for code, parent in rows))
            assert counts.rows == len(rows)
            outer = branch.alias()
            stored = conn.execute(
                select(branch.c.code, branch.c.path, outer.c.path.label("above")).outerjoin(
                    outer, outer.c.id == branch.c.parent_id
                )
            )
            assert all(row.path == f"{row.above or '/'}{row.code}/" for row in stored)
    made.dispose()


# --- members --------------------------------------------------------------------------------------------------


def test_members_are_created_bound_and_owe(anhe: Office, books: Books) -> None:
    counts = anhe.members(
        "1001,13800000001,5301,张三,中文,farmer,3.00,2010-07-01,2026-08",
        "1002,+86 138 0000 0002,5301,李四,en,wage,12.5,,",
        "1003,,53,王五,,none,0,2026/1/2,",
        "1004,+254712345678,53,Wanjiku,English,farmer,1,,2027-01",
    )
    assert (counts.rows, counts.created, counts.bound, counts.without_phone, counts.errors) == (4, 4, 3, 0, 0)
    assert set(anhe.said().values()) == {"created"}
    zhang = members.by_number(anhe.conn, ZHANG, TODAY)
    assert zhang.member is not None
    assert (zhang.member.member_no, zhang.member.branch_code, zhang.language) == ("1001", "5301", "zh")
    assert members.numbers_of(anhe.conn, zhang.member.id)[0].main
    assert anhe.who(LI) == "1002"
    assert anhe.who("+254712345678") == "1004"
    row = anhe.conn.execute(select(member).where(member.c.member_no == "1001")).one()
    assert (row.name, row.dues_class, row.monthly_amount, row.joined) == ("张三", "farmer", 300, date(2010, 7, 1))
    owed = anhe.conn.execute(
        select(member.c.member_no, obligation.c.month, obligation.c.amount, obligation.c.paid)
        .join(obligation)
        .order_by(member.c.member_no, obligation.c.month)
    )
    assert [tuple(each) for each in owed] == [
        ("1001", 202609, 300, 0),
        ("1001", 202610, 300, 0),
        ("1001", 202611, 300, 0),
        ("1002", 202611, 1250, 0),
    ]
    ids_by_no = {each.member_no: each.id for each in anhe.conn.execute(select(member.c.member_no, member.c.id))}
    found = dues.owed(anhe.conn, list(ids_by_no.values()), 202611)
    assert found[ids_by_no["1001"]] == dues.Owed(3, 900, 300, 202608)
    assert found[ids_by_no["1002"]].paid_to is None
    assert found[ids_by_no["1004"]] == dues.Owed(0, 0, 0, 202701)
    for month in (202612, 202702):
        assessing.assess_month(anhe.conn, books, month, NOW)
    assert dues.owed(anhe.conn, [ids_by_no["1004"]], 202702)[ids_by_no["1004"]] == dues.Owed(1, 100, 100, 202701)


def test_the_month_of_the_import_is_the_organisations(anhe: Office) -> None:
    anhe.members("1001,,53,张,,f,3,,", now=datetime(2026, 11, 30, 17, 0, tzinfo=UTC))
    assert anhe.conn.execute(select(obligation.c.month)).scalars().all() == [202612]


def test_phones_that_are_not_bound_are_named(anhe: Office) -> None:
    anhe.members("1000,13800000001,53,先来,,f,3,,")
    counts = anhe.members(
        "1001,13800000001,53,张,,f,3,,",
        "1002,13800000002,53,李,,f,3,,",
        "1003,13800000002,53,王,,f,3,,",
        "1004,0871-65123456,53,赵,,f,3,,",
        "1005,1.38E+10,53,钱,,f,3,,",
        "1006,123,53,孙,,f,3,,",
        "1007,不知道,53,周,,f,3,,",
        "1008,,53,吴,,f,3,,",
    )
    assert anhe.said() == {
        "1001": "created phone:bound_to_another",
        "1002": "created",
        "1003": "created phone:earlier_in_file",
        "1004": "created phone:landline",
        "1005": "created phone:mangled",
        "1006": "created phone:impossible",
        "1007": "created phone:impossible",
        "1008": "created",
    }
    assert (counts.created, counts.bound, counts.without_phone, counts.errors) == (8, 1, 6, 0)
    assert anhe.who(ZHANG) == "1000"
    assert anhe.who(LI) == "1002"


def test_rows_that_cannot_be_imported(anhe: Office) -> None:
    counts = anhe.members(
        "1001,,99,张,,f,3,,",
        "1002,,,张,,f,3,,",
        "1003,,53,,,f,3,,",
        "1004,,53,张,火星语,f,3,,",
        "1005,,53,张,,f,三元,,",
        "1006,,53,张,,f,,,",
        "1007,,53,张,,f,3,,2026-13",
        "1008,,53,张,,f,3,,1926-01",
        "1009,,53,张,,f,0.001,,",
        "1.01E+05,,53,张,,f,3,,",
        ",,53,张,,f,3,,",
        "1010,,53,张,,f,3,昨天,",
        "1010,,53,李,,f,3,,",
        f"1011,,53,{'长' * 61},,f,3,,",
        "1012,,53,张,,f,3,,,多,",
        "1013,,53",
    )
    assert [(key, outcome, reason) for _, key, outcome, reason in anhe.report] == [
        ("1001", "error", "branch_code:unknown"),
        ("1002", "error", "branch_code:missing"),
        ("1003", "error", "name:missing"),
        ("1004", "error", "language:unknown"),
        ("1005", "error", "monthly_amount:unreadable"),
        ("1006", "error", "monthly_amount:missing"),
        ("1007", "error", "paid_to:unreadable"),
        ("1008", "error", "paid_to:out_of_range"),
        ("1009", "error", "monthly_amount:too_precise"),
        ("1.01E+05", "error", "member_no:mangled"),
        ("", "error", "member_no:missing"),
        ("1010", "created", "joined:unreadable"),
        ("1010", "error", "member_no:earlier_in_file"),
        ("1011", "error", "name:too_long"),
        ("1012", "error", "too_many_cells"),
        ("1013", "error", "name:missing"),
    ]
    assert [int(line) for line, *_ in anhe.report] == list(range(2, 18))
    assert (counts.rows, counts.created, counts.errors) == (16, 1, 15)


def test_a_second_import_updates_and_never_moves_a_phone(anhe: Office) -> None:
    anhe.members(
        "1001,13800000001,53,张三,zh,farmer,3,,2026-09",
        "1002,13800000002,53,李四,zh,farmer,3,,",
        "1003,,53,王五,zh,farmer,3,,",
    )
    consent.stop(anhe.conn, lambda: 5, WANG, how="STOP", now=NOW)
    counts = anhe.members(
        "1001,13800000002,5301,张三丰,en,wage,5,,2026-10",
        "1003,13800000003,53,王五,zh,farmer,3,,",
    )
    assert anhe.said() == {"1001": "updated phone:bound_to_another", "1003": "unchanged"}
    assert (counts.updated, counts.unchanged, counts.bound) == (1, 1, 1)
    row = anhe.conn.execute(select(member).where(member.c.member_no == "1001")).one()
    assert (row.name, row.language, row.dues_class, row.monthly_amount) == ("张三丰", "en", "wage", 500)
    assert (anhe.who(ZHANG), anhe.who(LI), anhe.who(WANG)) == ("1001", "1002", "1003")
    assert members.by_number(anhe.conn, WANG, TODAY).opted_out
    owed = anhe.conn.execute(select(obligation.c.month, obligation.c.amount).where(obligation.c.member_id == row.id))
    assert sorted(tuple(each) for each in owed) == [(202610, 300), (202611, 300)]
    anhe.members("1001,13900000009,5301,张三丰,en,wage,5,,")
    assert anhe.said() == {"1001": "unchanged phone:has_another"}
    assert anhe.who("+8613900000009") is None


def test_a_dry_run_says_the_same_and_writes_nothing(anhe: Office) -> None:
    rows = (
        "1001,13800000001,53,张,,f,3,,",
        "1002,13800000001,53,李,,f,3,,",
        "1003,,99,王,,f,3,,",
    )
    dry = anhe.members(*rows, dry_run=True)
    said = anhe.said()
    for table in (member, number, obligation):
        assert anhe.conn.execute(select(func.count()).select_from(table)).scalar_one() == 0
    assert anhe.members(*rows) == dry
    assert anhe.said() == said
    before = paths(anhe.conn)
    anhe.branches("77,新,", dry_run=True)
    assert paths(anhe.conn) == before


def test_invitations_instead_of_bindings(anhe: Office, ids: Ids, keys: Keys) -> None:
    anhe.members("1000,13800000003,53,已绑,,f,3,,")
    counts = anhe.members(
        "1000,13800000003,53,已绑,,f,3,,",
        "1001,13800000001,53,张三,,f,3,,",
        "1002,,5301,=李四,,f,3,,",
        invite=True,
    )
    assert (counts.invited, counts.bound) == (2, 0)
    assert anhe.who(ZHANG) is None
    title, *rows = anhe.codes
    dry = anhe.members("1001,13800000001,53,张三,,f,3,,", invite=True, dry_run=True)
    assert (dry.invited, dry.bound) == (1, 0)
    assert len(anhe.codes) == 0
    assert title == ["member_no", "name", "branch_code", "code", "language", "expires"]
    assert [row[:3] for row in rows] == [["1001", "张三", "53"], ["1002", "'=李四", "5301"]]
    assert {tuple(row[4:]) for row in rows} == {("zh", "2026-11-26 17:00")}
    found = invitations.check(anhe.conn, ids, keys, ZHANG, rows[0][3], NOW)
    assert isinstance(found, Invited)


def test_a_killed_import_is_run_again(anhe: Office) -> None:
    rows = [f"{index},138{index:08d},53,张,,f,3,," for index in range(1, 1301)]
    file = anhe.folder / "members.csv"
    file.write_text("\n".join([MEMBERS, *rows]), "utf-8")

    class Killed(BaseException):
        pass

    def kill(done: int, total: int) -> None:
        raise Killed

    anhe._progressed = kill  # type: ignore[method-assign]  # the first chunk is committed then
    with pytest.raises(Killed):
        anhe.bring_file("members", file)
    assert anhe.conn.execute(select(func.count()).select_from(member)).scalar_one() == 500
    del anhe._progressed
    counts = anhe.bring_file("members", file)
    assert (counts.created, counts.unchanged, counts.bound, counts.without_phone) == (800, 500, 800, 0)
    assert anhe.progress == [*anhe.progress[:-3], (500, 1300), (1000, 1300), (1300, 1300)]
    assert anhe.conn.execute(select(func.count()).select_from(number)).scalar_one() == 1300
    assert anhe.conn.execute(select(func.count()).select_from(obligation)).scalar_one() == 1300


def test_an_import_is_audited(anhe: Office) -> None:
    anhe.members("1001,,53,张,,f,3,,", actor="staff:root")
    entry = audit.listing(anhe.conn)[0]
    assert (entry.actor, entry.action, entry.object) == ("staff:root", "import members", "file:members.csv")
    assert entry.reason == "1 created, 0 updated, 0 refused, 0 invited"


# --- files ----------------------------------------------------------------------------------------------------

CHINESE = "成员号,手机号码,支部编号,姓名,语言,会费类别,月会费"
ROW = "1001,１３８００００００１，,53,张三,中文,农民,￥3.00"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_tables_of_chinese_offices(anhe: Office, encoding: str, delimiter: str) -> None:
    row = "1001,13800000001,53,张䶮𠮷,中文,农民,￥3.00"
    counts = anhe.bring("members", CHINESE.replace(",", delimiter), [row.replace(",", delimiter)], encoding=encoding)
    assert counts.created == 1
    stored = anhe.conn.execute(select(member.c.name, member.c.monthly_amount)).one()
    assert tuple(stored) == ("张䶮𠮷", 300)
    assert anhe.who(ZHANG) == "1001"


def test_columns_may_stand_in_any_order_beside_others(anhe: Office) -> None:
    counts = anhe.bring(
        "members", "备注, Name ,MEMBER NO,Monthly-Amount,phone,branch_code,language,dues_class", ["x,张,1,3,,53,,f"]
    )
    assert counts.created == 1
    assert counts.ignored == ("备注",)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"PK\x03\x04 a workbook", "save it as CSV"),
        (b"member_no,phone\n", "no column branch_code"),
        (b"code,name,paren_code\n", "no column parent_code; is it 'paren_code'"),
        (b"code,code,name,parent_code\n", "two columns mean code"),
        (b"code,\xe4\xbb\xa3\xe7\xa0\x81,name,parent_code\n", "two columns mean code"),
    ],
)
def test_what_is_no_table(office: Office, content: bytes, sentence: str) -> None:
    file = office.folder / "x.csv"
    file.write_bytes(content)
    with pytest.raises(SheetProblem, match=sentence):
        office.bring_file("members" if b"member" in content else "branches", file)
    with pytest.raises(SheetProblem, match="No such file"):
        office.bring_file("branches", office.folder / "none.csv")


def test_a_damaged_row_is_refused_and_the_rest_is_read(office: Office) -> None:
    file = office.folder / "branches.csv"
    lines = [b"code,name,parent_code", "1,第一支部,".encode(), b"2,\xff\xfe,", "3,第三支部,".encode()]
    file.write_bytes(b"\n".join(lines))
    office.bring_file("branches", file)
    assert office.said() == {"1": "created", "2": "error damaged", "3": "created"}
    file.write_bytes(b"\n".join([lines[0], "1,第一支部,".encode("gb18030"), b"2,\xff,", b"4,x,"]))
    office.bring_file("branches", file)
    assert office.said() == {"1": "unchanged", "2": "error damaged", "4": "created"}


def test_quotes_as_spreadsheets_and_people_write_them(office: Office) -> None:
    office.branches(
        '1,"县, 东",',
        '2,"两',
        '行",',
        '3,"说""好""的",',
        '4,5" 管,',
        "5,好,",
        '6,7" 管,',
        '7,"忘了',
        *(f"{index},好," for index in range(8, 20)),
    )
    names = {found.code: found.name for found in branches.subtree(office.conn, "")}
    assert names == {
        "1": "县, 东",
        "2": "两 行",
        "3": '说"好"的',
        "4": '5" 管',
        "5": "好",
        "6": '7" 管',
        **{str(index): "好" for index in range(8, 20)},
    }
    assert [(line, outcome, reason) for line, _, outcome, reason in office.report if outcome == "error"] == [
        ("9", "error", "unreadable")
    ]


def test_formulas_are_inert_in_the_report(anhe: Office) -> None:
    anhe.members("=cmd|' /C calc'!A0,,53,张,,f,3,,")
    assert anhe.report[0][1].startswith("'=")
    assert [inert(text) for text in ("+1", "-1", "@x", "\tx", "1", "")] == ["'+1", "'-1", "'@x", "'\tx", "1", ""]


def test_a_file_of_codes_is_private(tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    path.write_text("old")
    path.chmod(0o644)
    with private_file(path) as file:
        file.write("代码")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == b"\xef\xbb\xbf" + "代码".encode()


def test_names_are_kept_as_written_without_what_is_not_seen() -> None:
    assert fields.name("བཀྲ་ཤིས་ 张\u202e三\x00") == "བཀྲ་ཤིས་ 张三"
    assert fields.name("张\r\n三") == "张 三"
    with pytest.raises(fields.Unreadable, match="name:missing"):
        fields.name("\u202e\x00")


cells = st.text(max_size=12) | st.sampled_from(
    ["53", "1001", "13800000001", "3.00", "2026-09", '"', "=1", "\x00", "en"]
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(cells, max_size=11), max_size=8), st.sampled_from(["utf-8", "gb18030"]))
def test_garbage_never_raises(tmp_path: Path, ids: Ids, keys: Keys, rows: list[list[str]], encoding: str) -> None:
    made = engine("sqlite://")
    METADATA.create_all(made)
    with made.connect() as conn:
        office = Office(conn, ids, keys, tmp_path)
        office.branches("53,县,")
        for index, (what, header) in enumerate((("branches", BRANCHES), ("members", MEMBERS))):
            file = tmp_path / f"{index}.csv"
            lines = [header, *(",".join(row) for row in rows)]
            file.write_bytes("\n".join(lines).encode(encoding, "surrogatepass" if encoding == "utf-8" else "replace"))
            counts = office.bring_file(what, file)
            assert (
                counts.rows == len(office.report) == counts.created + counts.updated + counts.unchanged + counts.errors
            )
    made.dispose()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_octets_are_rows_or_a_problem(tmp_path: Path, octets: bytes) -> None:
    file = tmp_path / "any.csv"
    file.write_bytes(b"code,name,parent_code\n" + octets)
    for _ in Sheet(file, ()):
        pass
