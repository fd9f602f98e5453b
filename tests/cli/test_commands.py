"""The command line as a person uses it, on a database of its own."""

from __future__ import annotations

import re
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from gateway.cli.opening import closing_engine, opened
from gateway.core import messages, release
from gateway.core.model import Lane, Outbound, Part
from gateway.core.tables.messages import message
from gateway.core.tables.staff import audit, fact
from gateway.main import main
from gateway.version import VERSION
from tests.cli.running import PASSWORD, refused, told


def test_version() -> None:
    assert VERSION in told("--version")


def test_every_command_has_help() -> None:
    def walk(*path: str) -> None:
        said = told(*path, "--help")
        assert "Usage:" in said
        for name in re.findall(r"^  ([a-z]+)  ", said.partition("Commands:")[2], re.MULTILINE):
            walk(*path, name)

    walk()


# init


def test_init_makes_a_gateway_that_is_checked_and_private(config: Path) -> None:
    assert told("check", config) == "ok\n"
    for name in ("muster.toml", "muster.key", "muster.db"):
        assert stat.S_IMODE((config.parent / name).stat().st_mode) == 0o600, name
    unit = (config.parent / "muster.service").read_text()
    assert f"run {config.absolute()} --log-format json" in unit
    assert "User=muster" in unit
    assert told("staff", "list", config) == "admin\tadmin\n"


def test_init_asks(tmp_path: Path) -> None:
    answers = ["Anhe", "KE", "", "", "", "smpp", "tcp:127.0.0.1:2775", "us", "pw", "10690001", "chief", PASSWORD]
    said = told("init", tmp_path / "new", input="\n".join(answers) + "\n")
    written = (tmp_path / "new" / "muster.toml").read_text()
    for line in (
        'country = "KE"',
        'language = "en"',
        'currency = "KES"',
        'time_zone = "Africa/Nairobi"',
        'system_id = "us"',
    ):
        assert line in written
    assert "chief signs in at" in said
    assert PASSWORD not in said


def test_init_makes_a_password_up(tmp_path: Path) -> None:
    said = told("init", tmp_path / "new", "--yes", "--name", "Anhe", "--device", "/dev/ttyUSB0")
    assert re.search(r"admin signs in at http://127.0.0.1:8080 with \S{12,}", said)
    assert 'device = "/dev/ttyUSB0"' in (tmp_path / "new" / "muster.toml").read_text()


@pytest.mark.parametrize(
    ("wrong", "key"),
    [(["--country", "XX"], "country"), (["--endpoint", "nowhere"], "endpoint"), (["--time-zone", "Asia/Bei"], "zone")],
)
def test_a_wrong_answer_leaves_nothing(tmp_path: Path, wrong: list[str], key: str) -> None:
    assert key in refused("init", tmp_path / "new", "--yes", "--name", "Anhe", *wrong)
    assert not (tmp_path / "new").exists()


def test_init_touches_no_gateway_that_is_there(config: Path) -> None:
    before = config.read_bytes()
    assert "is there already" in refused("init", config.parent, "--yes", "--name", "Other")
    assert config.read_bytes() == before


# check and upgrade


def test_check_says_file_table_and_key(config: Path) -> None:
    config.write_text(config.read_text().replace("[api]", "[apy]").replace('"CNY"', '"XXQ"'))
    said = refused("check", config)
    assert f"{config}" in said
    assert "apy" in said
    assert "currency" in said


def test_a_check_that_was_broken_off_is_not_ok(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise SystemExit(0)  # as the reactor ends by Ctrl-C

    monkeypatch.setattr("gateway.main.react", interrupted)
    done = CliRunner().invoke(main, ["check", str(config), "--connect"])
    assert done.exit_code != 0
    assert "ok" not in done.output


def test_a_missing_configuration(tmp_path: Path) -> None:
    for command in ("check", "run", "upgrade"):
        assert "cannot be read" in refused(command, tmp_path / "none.toml")


def test_upgrade_is_repeatable_and_keeps_the_key(config: Path) -> None:
    key = (config.parent / "muster.key").read_bytes()
    assert told("upgrade", config) == "the database is up to date\n"
    assert (config.parent / "muster.key").read_bytes() == key


def test_another_key_is_refused_and_not_made(config: Path) -> None:
    key_file = config.parent / "muster.key"
    key_file.rename(config.parent / "elsewhere.key")
    assert "no such key file" in refused("staff", "list", config)
    assert "key" in refused("upgrade", config)
    assert not key_file.exists()
    key_file.write_text("00" * 32)
    assert "key" in refused("staff", "list", config)


def test_a_missing_database_is_not_made_by_mistake(config: Path) -> None:
    (config.parent / "muster.db").unlink()
    assert "muster upgrade" in refused("staff", "list", config)
    assert not (config.parent / "muster.db").exists()


# staff


def test_staff_by_link_by_password_and_out(config: Path) -> None:
    said = told("staff", "add", config, "li", "--role", "agent", "--until", "2099-12-31")
    assert re.search(r"/sign-in/link/[\w-]{20,}", said)
    assert told("staff", "add", config, "li", "--role", "lead") == "li is lead too\n"
    assert "li\tagent until 2099-12-31, lead\tno password" in told("staff", "list", config)
    assert "new password" in told("staff", "password", config, "li", "--password-stdin", input=f"{PASSWORD}\n")
    assert "li\tagent until 2099-12-31, lead\n" in told("staff", "list", config)
    assert told("staff", "disable", config, "li") == "li is disabled\n"
    assert "disabled" in told("staff", "list", config)
    with opened(config) as at:
        done = at.conn.execute(select(audit.c.action).where(audit.c.object == "staff:li").order_by(audit.c.id))
        assert list(done.scalars()) == ["staff added", "role granted", "password set", "staff disabled"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("add", "@", "li", "--role", "boss"), "there is no role boss"),
        (("add", "@", "li", "--role", "agent", "--branch", "99"), "there is no branch 99"),
        (("add", "@", "li", "--role", "agent", "--phone", "12"), "no mobile number"),
        (("add", "@", "li", "--role", "agent", "--until", "2001-01-01"), "is over"),
        (("add", "@", "li", "--role", "agent", "--until", "soon"), "soon"),
        (("add", "@", "li ", "--role", "agent"), "staff name"),
        (("password", "@", "nobody", "--password-stdin"), "there is no account nobody"),
        (("disable", "@", "nobody"), "there is no account nobody"),
    ],
)
def test_what_staff_refuses(config: Path, arguments: tuple[str, ...], sentence: str) -> None:
    said = refused("staff", *(str(config) if word == "@" else word for word in arguments), input=f"{PASSWORD}\n")
    assert sentence in said
    assert told("staff", "list", config) == "admin\tadmin\n"


def test_a_short_password_and_roles_that_do_not_go_together(config: Path) -> None:
    assert "10 to" in refused("staff", "add", config, "li", "--role", "agent", "--password-stdin", input="short\n")
    told("staff", "add", config, "wu", "--role", "treasurer")
    assert "two people" in refused("staff", "add", config, "wu", "--role", "auditor")


# import


def test_import_with_its_report(config: Path, tmp_path: Path) -> None:
    branches, members = tmp_path / "branches.csv", tmp_path / "members.csv"
    branches.write_text("code,name,parent_code\n53,安河县,\n5301,五里桥,53\n")
    members.write_text(
        "member_no,phone,branch_code,name,language,dues_class,monthly_amount\n"
        "1,13800000007,5301,李,zh,A,5.00\n"
        "2,1.38E+10,5301,王,zh,A,5.00\n"
        "3,13800000008,9999,赵,zh,A,5.00\n",
        "gb18030",
    )
    assert "2 rows: 2 created" in told("import", config, "branches", branches)
    assert "nothing was changed" in told("import", config, "members", members, "--dry-run")
    said = told("import", config, "members", members)
    assert "3 rows: 2 created, 0 updated, 0 unchanged, 1 not imported" in said
    assert "1 bound, 0 invited, 1 members without" in said
    report = (tmp_path / "members.report.csv").read_text("utf-8-sig").splitlines()
    assert report[0] == "line,member_no,outcome,reason,说明"
    assert "4,3,error,branch_code:unknown,未导入：没有这个支部编号，请先导入支部" in report
    assert "1 没有这个支部编号，请先导入支部" in said
    assert "1 手机号未绑定：被表格软件变成了科学计数" in said
    assert "2 unchanged" in told("import", config, "members", members, "--report", tmp_path / "again.csv")


def test_invitations_are_written_for_their_owner_alone(config: Path, tmp_path: Path) -> None:
    branches, members = tmp_path / "b.csv", tmp_path / "m.csv"
    branches.write_text("code,name,parent_code\n53,安河县,\n")
    members.write_text(
        "member_no,phone,branch_code,name,language,dues_class,monthly_amount\n1,13800000007,53,李,zh,A,5.00\n"
    )
    told("import", config, "branches", branches)
    assert "1 invited" in told("import", config, "members", members, "--invite")
    codes = tmp_path / "m.codes.csv"
    assert stat.S_IMODE(codes.stat().st_mode) == 0o600
    assert re.search(r"^1,李,53,\d{8},zh,", codes.read_text("utf-8-sig"), re.MULTILINE)


def test_what_import_refuses(config: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    assert "no such file" in refused("import", config, "members", sheet)
    sheet.write_text("a,b\n1,2\n")
    assert "member_no" in refused("import", config, "members", sheet)
    assert "--invite is for members" in refused("import", config, "branches", sheet, "--invite")
    assert "would replace" in refused("import", config, "members", sheet, "--report", sheet)
    assert sheet.read_text() == "a,b\n1,2\n"


# backup, restore, release


def _queue(config: Path, lane: Lane) -> int:
    with opened(config) as at:
        outbound = Outbound(id=at.new_id(), to="+8613800000007", text="hello", link="mobile", lane=lane)
        messages.queue(at.conn, [outbound], at.now, actor="test")
        return outbound.id


def _released(config: Path) -> list[str]:
    """The texts a link would write now."""

    def split(outbound: Outbound) -> tuple[Part, ...]:
        from gateway.core.model import Coding

        return (
            Part(
                outbound=outbound.id,
                number=1,
                total=1,
                reference=0,
                octets=outbound.text.encode(),
                coding=Coding.GSM7,
                to=outbound.to,
            ),
        )

    with opened(config) as at:
        wanted = release.Wanted(room=10, slots=10, bulk=10, below=5)
        found = release.release(at.conn, at.keys, "mobile", split, [], wanted, datetime.now(UTC))
        return [part.octets.decode() for part in found.write]


def test_a_backup_comes_back_and_holds(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    answer, bulk = _queue(config, Lane.ANSWER), _queue(config, Lane.BULK)
    assert "the key file" in told("backup", config, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = (config.parent / "muster.key").read_text().strip()
    assert key.encode() not in file.read_bytes()
    assert bytes.fromhex(key) not in file.read_bytes()
    told("staff", "add", config, "late", "--role", "agent")

    assert "--force" in refused("restore", config, file)
    said = told("restore", config, file, "--force")
    assert "2 messages wait" in said
    assert "late" not in told("staff", "list", config)
    assert _released(config) == []
    with opened(config) as at:
        states = {row.id: row.state for row in at.conn.execute(select(message.c.id, message.c.state))}
    assert states == {answer: "queued", bulk: "queued"}

    assert told("release", config, "--reason", "tested") == "released; what is queued goes out now\n"
    assert told("release", config) == "nothing is on hold\n"
    assert _released(config) == ["hello", "hello"]
    with opened(config) as at:
        noted = at.conn.execute(select(audit.c.action, audit.c.reason).order_by(audit.c.id)).all()
        assert [tuple(row) for row in noted][-2:] == [("restored", "copy.db"), ("hold released", "tested")]


def test_what_was_on_its_way_when_the_backup_was_made_is_not_sent_again(config: Path, tmp_path: Path) -> None:
    _queue(config, Lane.ANSWER)
    assert _released(config) == ["hello"]
    told("backup", config, tmp_path / "copy.db")
    told("restore", config, tmp_path / "copy.db", "--force")
    told("release", config)
    assert _released(config) == []
    with opened(config) as at:
        assert list(at.conn.execute(select(message.c.state)).scalars()) == ["unknown"]


def test_a_backup_while_the_gateway_writes(config: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(config.parent / "muster.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO fact VALUES ('half', 'done')")
        told("backup", config, tmp_path / "copy.db")
        writer.execute("COMMIT")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM fact WHERE name = 'half'").fetchone() == (0,)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_what_backup_and_restore_refuse(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    assert "no such file" in refused("restore", config, file)
    file.write_text("not a database at all")
    assert "is there already" in refused("backup", config, file)
    assert "not a backup" in refused("restore", config, file, "--force")
    assert told("staff", "list", config) == "admin\tadmin\n"


def test_a_backup_of_another_installation_is_refused(config: Path, tmp_path: Path) -> None:
    told("init", tmp_path / "other", "--yes", "--name", "Other")
    told("backup", tmp_path / "other" / "muster.toml", tmp_path / "copy.db")
    assert "another key" in refused("restore", config, tmp_path / "copy.db", "--force")
    assert told("staff", "list", config) == "admin\tadmin\n"
    assert not list(config.parent.glob("*.restoring*"))


def test_a_database_in_use_is_not_replaced(config: Path, tmp_path: Path) -> None:
    import fcntl

    told("backup", config, tmp_path / "copy.db")
    with (config.parent / "muster.db.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "stop it first" in refused("restore", config, tmp_path / "copy.db", "--force")


def test_release_of_a_database_that_was_never_restored(config: Path) -> None:
    assert told("release", config) == "nothing is on hold\n"
    with closing_engine(f"sqlite:///{config.parent / 'muster.db'}") as made, made.connect() as conn:
        assert "hold" not in conn.execute(select(fact.c.name)).scalars().all()


# send, modems, explain


def test_send_without_a_gateway(config: Path) -> None:
    config.write_text(config.read_text().replace("tcp:8081:", "tcp:1:"))
    assert f"start it with `muster run {config}`" in refused("send", config, "+8613800000007", "hi")
    assert "[api.keys] has no nobody" in refused("send", config, "+8613800000007", "hi", "--key", "nobody")


def test_run_only_a_part_that_exists(config: Path) -> None:
    assert "there is no pages" in refused("run", config, "--only", "links,pages")


def test_our_package_names_must_be_ours_alone(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.cli.checking import PACKAGES

    owners = metadata.packages_distributions()
    assert [set(owners.get(package, ())) for package in PACKAGES] == [{"muster"}] * 6
    monkeypatch.setattr(metadata, "packages_distributions", lambda: {"config": ["muster", "configurator"]})
    assert "the package config is configurator's too" in refused("check", config)
