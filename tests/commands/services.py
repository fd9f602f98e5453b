"""All services of the number plan as declarations, so that the grammar is proven for those still to be built."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from commands.registry import Command, Kind, Parameter, Registry
from commands.settings import lang
from gateway.core.model import LogClass, Reply, Request


def _nothing(conn: Connection, request: Request) -> Reply:
    return Reply(text="")


def _parameter(written: str) -> Parameter:
    """`name:kind`, with a `?` for what may be left out and `least-most` for lengths: `code:digits:6-6`."""
    name, kind, *length = written.rstrip("?").split(":")
    least, most = (int(part) for part in length[0].split("-")) if length else (1, 300)
    return Parameter(name=name, kind=Kind(kind), required=not written.endswith("?"), length=(least, most))


def _command(code: str, zh: str, en: str, pinyin: str, parameters: str = "", **more: Any) -> Command:
    return Command(
        code=code,
        name=f"s{code}",
        words={"zh": tuple(zh.split()), "en": tuple(en.split()), "pinyin": tuple(pinyin.split())},
        function=_nothing,
        parameters=tuple(map(_parameter, parameters.split())),
        **more,
    )


def everything() -> Registry:
    """The registry of SERVICES 7.3."""
    sealed: dict[str, Any] = {"log_class": LogClass.C}
    return Registry(
        [
            _command("0", "帮助 菜单 ?", "HELP MENU INFO", "BZ CD", "command:command?", public=True),
            _command("11", "会费 查会费 欠费", "DUES BALANCE OWE", "HF", root=True),
            _command("12", "交费 缴费 交会费", "PAY", "JF", "amount:amount?"),
            _command("13", "收据", "RECEIPT", "SJ", "receipt:digits:9-9?"),
            _command("14", "充值码 充值", "VOUCHER TOPUP", "CZ", "voucher:digits:16-16", **sealed),
            _command("15", "代交", "PAYFOR", "DJ", "member:digits:4-12 amount:amount"),
            _command("16", "退款 查账", "REFUND DISPUTE", "TK", "receipt:digits:9-9 text:text?"),
            _command("17", "减免", "WAIVER", "JM"),
            _command("21", "通知 最近", "NOTICES NEWS", "TZ", root=True),
            _command("22", "收到 回执", "ACK GOT", "SD", "notice:digits:1-6?"),
            _command("23", "订阅 订", "SUB", "DY", "topic:digits:2-2"),
            _command("24", "退阅 退", "UNSUB", "TY", "topic:digits:2-2"),
            _command("25", "更多 下页", "MORE M", "GD", public=True),
            _command("26", "目录", "TOPICS", "ML", public=True),
            _command("31", "投票", "VOTE", "TP", root=True),
            _command("32", "选项", "OPTIONS", "XUAN", "ballot:digits:4-4"),
            _command("33", "投票", "VOTE", "TP", "ballot:digits:4-4 choice:marks", **sealed),
            _command("34", "结果", "RESULT", "JG", "ballot:digits:4-4"),
            _command("41", "会议", "MEET MEETING", "HY", root=True),
            _command("42", "参加 能来", "COMING", "CJ", "meeting:number"),
            _command("43", "请假", "LEAVE EXCUSE", "QJ", "meeting:number text:text?"),
            _command("44", "签到 到", "HERE CHECKIN", "QD", "code:digits:6-6"),
            _command("45", "记录 纪要", "MINUTES", "JL", "meeting:number"),
            _command("51", "答题 学习", "QUIZ STUDY", "DT XX", root=True),
            _command("52", "积分", "POINTS", "JIFEN"),
            _command("53", "查 搜", "FIND", "CHA", "words:text", public=True, direct=frozenset({"查"})),
            _command("54", "课", "LESSON", "KE", "lesson:number?"),
            _command("61", "办事 申请", "SERVICE APPLY", "BS", "text:text?", public=True, root=True),
            _command("62", "进度", "STATUS", "JD", "case:digits:8-9?", public=True),
            _command("63", "补充", "ADD", "BUCHONG", "case:digits:9-9 text:text", public=True),
            _command("64", "评价", "RATE", "PJ", "case:digits:9-9 stars:number text:text?", public=True),
            _command("65", "撤销", "CANCEL", "CX", "case:digits:9-9?", public=True),
            _command(
                "71", "咨询 问", "ASK", "ZX WEN", "question:text", public=True, root=True, direct=frozenset({"问"})
            ),
            _command("72", "意见 匿名", "SUGGEST ANON", "YJ NM", "text:text", public=True),
            _command("81", "绑定", "BIND JOIN", "BD", "invitation:digits:8-8", public=True, **sealed),
            _command("82", "我的", "ME", "WD", root=True),
            _command("83", "转接", "TRANSFER", "ZJ", "branch:digits:6-12"),
            lang(("zh", "en")),
            _command(
                "92",
                "退订 不要再发",
                "STOP STOPALL UNSUBSCRIBE QUIT END",
                "TD T TDING",
                "topic:digits:2-2?",
                public=True,
                whole=True,
            ),
            _command("93", "恢复", "START UNSTOP", "HUIFU", "topic:digits:2-2?", public=True),
            _command("94", "免扰", "QUIET", "MR", "hours:hours"),
            _command("collect", "收", "COLLECT", "SHOU", "member:digits:4-12 amount:amount"),
            _command("close", "日结", "CLOSE", "RJ", "cash:amount"),
            _command("pause", "暂停", "PAUSE", "ZT", "draft:reference"),
            _command("kill", "撤", "KILL", "CHE", "draft:reference"),
            _command("answer", "回", "R", "HUI", "case:digits:9-9 text:text"),
            _command("done", "结", "DONE", "JIE", "case:digits:9-9 text:text?"),
            _command("forward", "转", "FWD", "ZHUAN", "case:digits:9-9 unit:digits:3-3"),
            _command("rain", "雨日", "RAINDAY", "YR", "day:date"),
        ]
    )
