"""Seconds and memory that an import of a whole province takes: 25,000 branches, 427,000 members.

    python -m bench.import_members [--members 427000] [--branches 25000] [--encoding gb18030] [--url sqlite:///...]

The import runs in a process of its own, so that its memory is not that of the making of the files.
"""

from __future__ import annotations

import csv
import multiprocessing
import random
import resource
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy import create_engine

from config.model import Organisation
from gateway.affairs.importing import Import, What, run_import
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.tables import messages, organisation, staff  # noqa: F401  # all tables are in METADATA then
from gateway.core.tables.metadata import METADATA

_FAMILY = "李王张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN = "伟芳娜敏静秀丽强磊军洋勇艳杰娟涛明超兰霞平刚桂英"


@click.command()
@click.option("--members", default=427_000, show_default=True)
@click.option("--branches", default=25_000, show_default=True)
@click.option("--encoding", default="gb18030", show_default=True, help="of the files; utf-8-sig for the other kind")
@click.option("--url", default="", help="an empty database; a SQLite file in a temporary folder without it")
def main(members: int, branches: int, encoding: str, url: str) -> None:
    """Make the files, import them twice, say what it took."""
    with tempfile.TemporaryDirectory(prefix="muster-import-") as folder:
        here = Path(folder)
        _write_branches(here / "branches.csv", branches, encoding)
        _write_members(here / "members.csv", members, branches, encoding)
        url = url or f"sqlite:///{here}/muster.db"
        made = engine(url, create=True) if url.startswith("sqlite") else create_engine(url)
        METADATA.create_all(made)
        made.dispose()
        for what, file in (("branches", "branches.csv"), ("members", "members.csv"), ("members", "members.csv")):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                click.echo(pool.apply(_import, (url, what, str(here / file))))


def _import(url: str, what: str, file: str) -> str:
    ids = Ids()
    start = time.perf_counter()
    with engine(url).connect() as conn, Path(f"{file}.report").open("w", encoding="utf-8") as report:
        job = Import(what=What(what), file=Path(file), organisation=Organisation(name="bench"), report=report)
        counts = run_import(conn, job, new_id=ids, random=random.Random(1), now=datetime.now(UTC))
    seconds = time.perf_counter() - start
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{what}: {seconds:.1f} s, {counts.rows / seconds:,.0f} rows/s, peak RSS {megabytes:.0f} MB, {counts}"


def _write_branches(path: Path, count: int, encoding: str) -> None:
    """Levels of 16; children come before their parents."""
    with path.open("w", encoding=encoding, newline="") as file:
        out = csv.writer(file)
        out.writerow(("支部编号", "支部名称", "上级编号"))
        for index in reversed(range(count)):
            parent = f"53{(index - 1) // 16:07d}" if index else ""
            out.writerow((f"53{index:07d}", f"安河县第{index}支部", parent))


def _write_members(path: Path, count: int, branches: int, encoding: str) -> None:
    """One in fifty phones is a landline, mangled, impossible, seen before or missing, as in real registers."""
    chance = random.Random(427)
    with path.open("w", encoding=encoding, newline="") as file:
        out = csv.writer(file)
        out.writerow(("成员号", "手机号", "支部编号", "姓名", "语言", "会费类别", "月会费", "入会日期", "会费交至"))
        for index in range(count):
            phone = f"138{index * 7919 % 10**8:08d}"
            if index % 50 == 0:
                phone = ("0871-65123456", "1.38E+10", "123", f"138{0:08d}", "")[index // 50 % 5]
            name = chance.choice(_FAMILY) + "".join(chance.choices(_GIVEN, k=2))
            paid_to = f"2026-{chance.randrange(6, 12):02d}" if index % 3 else ""
            amount = f"{chance.randrange(20, 900) / 100:.2f}"
            code = f"53{index % branches:07d}"
            out.writerow((f"53{index:08d}", phone, code, name, "中文", "农民", amount, "2010/7/1", paid_to))


if __name__ == "__main__":
    main()
