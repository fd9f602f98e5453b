"""Every setting that the organisation may change while the gateway runs: what it is, what it may be, what we ship.

A package adds a tuple of its own and names it in `DECLARED`. `python -m tests.reference` writes docs/settings.md from
here. A name that ends in `.*` stands for a family: `texts.zh.dues.clear` is one of `texts.*`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Kind(Enum):
    """What a value looks like; `settings.read` takes each as somebody typed it."""

    FLAG = "flag"  # bool: on, off
    NUMBER = "number"  # int within bounds; money is minor units
    TEXT = "text"  # str, at most `most` characters; "" where `least` is 0
    CHOICE = "choice"  # str, one of `choices`
    WORDS = "words"  # tuple[str, ...], typed with commas between
    HOURS = "hours"  # str, "21-8": from and until, hours of the day; "" is never
    WEEK = "week"  # str, "1-5 09:00-12:00 14:00-17:30; 6 09:00-12:00": days from Monday, then times; "" is never
    PREFIXES = "prefixes"  # tuple[str, ...], "+86", "+882=0" or "+=200": of numbers, and how many a day
    DATES = "dates"  # tuple[str, ...], "2026-10-01" or "2026-10-01/2026-10-07"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting. A number lies between `least` and `most`, a text has so many characters, words are so many."""

    name: str
    kind: Kind
    default: Any
    zh: str  # what it does, for the pages
    en: str
    unit: str = ""  # "days", "minutes", ...
    least: int = 0
    most: int = 1_000_000_000
    choices: tuple[str, ...] = ()
    two: bool = False  # a change waits for a second person

    @property
    def family(self) -> bool:
        return self.name.endswith(".*")


COMMANDS = (
    Setting(
        name="commands.off",
        kind=Kind.WORDS,
        default=(),
        most=60,
        zh="停用的命令编号，如 81, 91；帮助、退订、恢复不能停用",
        en="codes of the commands that are switched off, as in 81, 91; help, stop and start always stay",
    ),
    Setting(
        name="words.*",
        kind=Kind.WORDS,
        default=(),
        most=8,
        zh="命令的自定词，如 words.zh.11 为“党费”；与其他命令冲突的词不接受",
        en="words of your own for a command, as in words.en.11 = FEES; a word of another command is refused",
    ),
    Setting(
        name="texts.*",
        kind=Kind.TEXT,
        default="",
        least=1,
        most=400,
        zh="替换的短信文字，如 texts.zh.dues.clear；超过一条或提到没有的命令的不接受",
        en="a text in place of ours, as in texts.en.dues.clear; it must stay in one segment and name no other command",
    ),
)

HOURS = (
    Setting(
        name="hours.office",
        kind=Kind.WEEK,
        default="1-5 09:00-12:00 14:00-17:30",
        most=200,
        zh="办公时间：星期几（1为星期一）和时段，多段用分号隔开",
        en="office hours: days (1 is Monday) and times, pieces with ; between",
    ),
    Setting(
        name="hours.closed",
        kind=Kind.DATES,
        default=(),
        most=100,
        zh="不办公的日子，如 2026-10-01/2026-10-07",
        en="days without office hours, as in 2026-10-01/2026-10-07",
    ),
    Setting(
        name="hours.open",
        kind=Kind.DATES,
        default=(),
        most=100,
        zh="补班的日子，按星期一的时段办公",
        en="days that are worked instead, with the hours of a Monday",
    ),
    Setting(
        name="answers.within",
        kind=Kind.NUMBER,
        default=60,
        unit="minutes",
        least=5,
        most=14_400,
        zh="提问在多少办公分钟内答复",
        en="working minutes within which a question is answered",
    ),
    Setting(
        name="quiet.hours",
        kind=Kind.HOURS,
        default="21-8",
        two=True,
        zh="不发群发短信的时段，本人用94改过的除外",
        en="hours without bulk messages, for members who chose none of their own with 94",
    ),
)

LIMITS = (
    Setting(
        name="limits.replies",
        kind=Kind.NUMBER,
        default=20,
        least=3,
        most=100,
        zh="10分钟内对一个号码的自动答复最多几条",
        en="automatic replies to one number in ten minutes",
    ),
    Setting(
        name="limits.same",
        kind=Kind.NUMBER,
        default=5,
        least=2,
        most=20,
        zh="其中相同文字最多几条",
        en="of them with the same text",
    ),
    Setting(
        name="limits.errors",
        kind=Kind.NUMBER,
        default=3,
        least=2,
        most=20,
        zh="其中报错最多几条",
        en="of them that are errors",
    ),
)

APPROVAL = (
    Setting(
        name="approval.solo_limit",
        kind=Kind.NUMBER,
        default=50,
        unit="recipients",
        least=0,
        most=1000,
        two=True,
        zh="不超过多少人的通知不用第二人审批",
        en="a notice to at most so many needs no second person",
    ),
)

NOTICES = (
    Setting(
        name="notices.lasts",
        kind=Kind.NUMBER,
        default=12,
        unit="hours",
        least=1,
        most=72,
        zh="群发开始多少小时后不再发送剩余部分；免扰时段开始时也不再发送",
        en="how long after its start a notice is worth sending; the quiet hours end it too",
    ),
    Setting(
        name="notices.same_text",
        kind=Kind.NUMBER,
        default=12,
        unit="hours",
        least=0,
        most=168,
        zh="多少小时内不再群发相同文字",
        en="within which a notice with the same text is taken for a slip and refused",
    ),
    Setting(
        name="notices.price",
        kind=Kind.NUMBER,
        default=0,
        unit="minor units",
        least=0,
        most=100_000,
        zh="每条短信的价格（分），用来估算群发费用；0为不估算",
        en="the price of one SMS, to estimate what a notice costs; 0 estimates nothing",
    ),
)

DESTINATIONS = (
    Setting(
        name="destinations.budgets",
        kind=Kind.PREFIXES,
        default=(),
        most=200,
        two=True,
        zh="每天可向某一号段主动发送多少条，如 +86, +882=0, +=200；以最长号段为准，不写数字为不限，0为不发",
        en="how many messages nobody asked for may go to a prefix in a day, as in +86, +882=0, +=200; the longest "
        "prefix counts, without a figure any number may, 0 is never",
    ),
    Setting(
        name="destinations.adjacent",
        kind=Kind.NUMBER,
        default=100,
        unit="messages",
        most=1_000_000,
        two=True,
        zh="每天最多主动向一千个连号中的非成员号码发送多少条，再多即拒发并报警；0为不限",
        en="how many messages nobody asked for may go in a day to a thousand numbers in a row that are no member's; "
        "more are refused, with an alarm; 0 is no limit",
    ),
)

RETENTION = (
    Setting(
        name="retention.texts",
        kind=Kind.NUMBER,
        default=90,
        unit="days",
        least=7,
        most=365,
        two=True,
        zh="短信正文保存天数（A、B类）",
        en="texts of messages, classes A and B; then the row stays without its text",
    ),
    Setting(
        name="retention.rows",
        kind=Kind.NUMBER,
        default=365,
        unit="days",
        least=90,
        most=3650,
        two=True,
        zh="无正文的短信记录保存天数，之后只留每日计数",
        en="rows of messages without their text; then only daily counts stay",
    ),
    Setting(
        name="retention.cases",
        kind=Kind.NUMBER,
        default=90,
        unit="days",
        least=7,
        most=365,
        two=True,
        zh="咨询结件后正文保存天数（D类）",
        en="texts of a case after it was closed (class D); then its number, kind and times stay",
    ),
    Setting(
        name="retention.audit",
        kind=Kind.NUMBER,
        default=1095,
        unit="days",
        least=365,
        most=7300,
        two=True,
        zh="审计记录保存天数",
        en="the audit",
    ),
    Setting(
        name="retention.numbers",
        kind=Kind.NUMBER,
        default=30,
        unit="days",
        least=1,
        most=365,
        two=True,
        zh="解绑后号码保存天数；退订记录另存",
        en="a phone number after it was unbound; an opt-out is kept for as long as it has to be honoured",
    ),
    Setting(
        name="retention.consents",
        kind=Kind.NUMBER,
        default=180,
        unit="days",
        least=30,
        most=3650,
        two=True,
        zh="同意与退订的旧记录保存天数",
        en="records of consent that a later one has replaced",
    ),
    Setting(
        name="retention.recipients",
        kind=Kind.NUMBER,
        default=12,
        unit="months",
        least=1,
        most=120,
        two=True,
        zh="通知结束后收件人名单保存月数，之后只留总数",
        en="who got a notice, after its end; then only the totals of its report stay",
    ),
    Setting(
        name="retention.lists",
        kind=Kind.NUMBER,
        default=3,
        unit="months",
        least=1,
        most=120,
        two=True,
        zh="上传的号码名单在通知结束后保存月数；未发出的草稿从写成时算起",
        en="the numbers of a list that came with a notice, after its end; of a draft never sent, after it was made",
    ),
    Setting(
        name="retention.quarantine",
        kind=Kind.NUMBER,
        default=30,
        unit="days",
        least=1,
        most=365,
        two=True,
        zh="处理出错的短信（加密）保存天数",
        en="messages that could not be handled, encrypted",
    ),
)

HOTLINE = (
    Setting(
        name="answers.within.unknown",
        kind=Kind.NUMBER,
        default=120,
        unit="minutes",
        least=5,
        most=14_400,
        zh="没看懂而转人工的短信在多少办公分钟内答复",
        en="working minutes for a text that nobody understood",
    ),
    Setting(
        name="answers.within.call",
        kind=Kind.NUMBER,
        default=240,
        unit="minutes",
        least=5,
        most=14_400,
        zh="回电请求在多少办公分钟内办理",
        en="working minutes within which somebody is called back",
    ),
    Setting(
        name="answers.escalate",
        kind=Kind.NUMBER,
        default=60,
        unit="minutes",
        least=5,
        most=14_400,
        zh="超时后再过多少办公分钟由组长转报县里",
        en="working minutes after the lead was told until the county is",
    ),
    Setting(
        name="exports.solo_limit",
        kind=Kind.NUMBER,
        default=1000,
        unit="rows",
        least=0,
        most=10_000,
        two=True,
        zh="导出不超过多少行不用第二人批准",
        en="an export of at most so many rows needs no second person",
    ),
)

ALARMS = (
    Setting(
        name="alarms.queue",
        kind=Kind.NUMBER,
        default=10,
        unit="minutes",
        least=1,
        most=1440,
        zh="答复在队列里等多久就报警",
        en="how long an answer may wait in the queue before an alarm",
    ),
    Setting(
        name="alarms.balance",
        kind=Kind.NUMBER,
        default=0,
        least=0,
        zh="SIM卡余额低于多少（分）就报警，0为不报",
        en="balance of a SIM below which there is an alarm, in minor units; 0 is never",
    ),
    Setting(
        name="alarms.late",
        kind=Kind.NUMBER,
        default=1,
        unit="cases",
        least=1,
        most=1000,
        zh="几件超时未答就报警",
        en="how many cases may be late before an alarm",
    ),
    Setting(
        name="alarms.burst",
        kind=Kind.NUMBER,
        default=60,
        unit="messages",
        least=10,
        most=100_000,
        zh="一个号码10分钟内来多少条就报警",
        en="messages of one phone in ten minutes that make an alarm",
    ),
)

ANSWERS = (
    Setting(
        name="answers.topics",
        kind=Kind.WORDS,
        default=(),
        most=40,
        zh="咨询的主题，供答复台归类和筛选，如 医保, 低保；常用答复的主题自动在内",
        en="topics to file questions under and filter by, as in health, pension; those of canned answers count too",
    ),
    Setting(
        name="canned.*",
        kind=Kind.TEXT,
        default="",
        least=1,
        most=300,
        zh="常用答复，如 canned.zh.医保补卡",
        en="canned answers by language and title, as in canned.en.health-card",
    ),
)

STAFF = (
    Setting(
        name="staff.second_factor",
        kind=Kind.WORDS,
        default=("publisher", "approver", "lead", "finance", "admin"),
        most=20,
        two=True,
        zh="必须使用第二验证（手机动态码）的角色",
        en="roles that need a second factor to work in the console",
    ),
)

CASH = (
    Setting(
        name="cash.four_eyes",
        kind=Kind.NUMBER,
        default=20_000,
        unit="minor units",
        two=True,
        zh="现金超过多少（分）要支部另一人先确认；0为不用",
        en="cash above so much (minor units) is confirmed by a second officer of the branch first; 0 is never",
    ),
    Setting(
        name="cash.day_limit",
        kind=Kind.NUMBER,
        default=500_000,
        unit="minor units",
        two=True,
        zh="一个会计一天最多收多少现金（分）；0为不限",
        en="cash (minor units) that one treasurer may take in a day; 0 is no limit",
    ),
    Setting(
        name="cash.relatives",
        kind=Kind.FLAG,
        default=True,
        zh="亲友可以代交（12的第4种交法和15）",
        en="relatives and other members may pay (way 4 of 12, and 15)",
    ),
    Setting(
        name="cash.consent",
        kind=Kind.FLAG,
        default=True,
        two=True,
        zh="代交要支部同意",
        en="the branch has to agree before somebody else pays",
    ),
)

DUES = (
    Setting(
        name="dues.back_months",
        kind=Kind.NUMBER,
        default=6,
        unit="months",
        most=120,
        two=True,
        zh="最多可补交几个月以前的会费，0为不限",
        en="how many months before this one may still be paid; 0 has no limit",
    ),
    Setting(
        name="dues.to_the_top",
        kind=Kind.NUMBER,
        default=100_000,
        unit="minor units",
        least=1,
        two=True,
        zh="一次自愿多交达到多少（最小货币单位）转交上级，另开收据",
        en="what is given beyond the dues at one time goes to the top level from this amount on, with its own receipt",
    ),
    Setting(
        name="dues.warn_first",
        kind=Kind.NUMBER,
        default=3,
        unit="months",
        least=1,
        most=60,
        zh="欠交满几个月第一次提醒支部书记",
        en="months owed after which the branch secretary is told for the first time",
    ),
    Setting(
        name="dues.warn_second",
        kind=Kind.NUMBER,
        default=5,
        unit="months",
        least=2,
        most=60,
        zh="欠交满几个月第二次提醒支部书记",
        en="and for the second time",
    ),
)

DECLARED: tuple[Setting, ...] = (
    *COMMANDS,
    *HOURS,
    *LIMITS,
    *APPROVAL,
    *NOTICES,
    *DESTINATIONS,
    *RETENTION,
    *ANSWERS,
    *HOTLINE,
    *ALARMS,
    *STAFF,
    *CASH,
    *DUES,
)
