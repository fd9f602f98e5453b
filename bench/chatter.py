"""What members and the gateway say to each other, in the shares of an ordinary month: for logs of a real size."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

RARE = "鳜鱼养殖"
FAILED = "0x0000000B"
_PHRASES = 100_000  # different texts


class Said(NamedTuple):
    """One message but for who and when; `phrase` is a number in `phrases`."""

    direction: str
    state: str
    channel: str
    link: str
    command: str | None
    log_class: str
    error: str | None
    phrase: int | None


def phrases(chance: random.Random) -> list[str]:
    """All texts there are: first what is only a command's word, then replies, then what people write themselves."""
    replies = [_reply(chance) for _ in range(_PHRASES // 2)]
    people = [_sentence(chance) for _ in range(_PHRASES - len(replies) - len(_SHORT))]
    people[0] = RARE  # said some twenty times in ten million messages
    return [*_SHORT, *replies, *people]


def chatter(chance: random.Random, count: int) -> Iterator[Said]:
    weights = [kind[-1] for kind in _KINDS]
    for kind in chance.choices(_KINDS, weights, k=count):
        yield Said(*kind[:-2], _phrase(kind[-2], chance))


def _phrase(says: str, chance: random.Random) -> int | None:
    if says == "word":
        return int(chance.random() * len(_SHORT))
    if says == "reply":
        return len(_SHORT) + int(chance.random() * (_PHRASES // 2))
    if says == "person":
        return len(_SHORT) + _PHRASES // 2 + int(chance.random() * (_PHRASES // 2 - len(_SHORT)))
    return None


def _reply(chance: random.Random) -> str:
    values = {name: chance.randrange(1, 13) for name in "nmk"}
    return chance.choice(_REPLIES).format(**values, s=chance.randrange(100_000_000, 999_999_999))


def _sentence(chance: random.Random) -> str:
    """Some words are said often and most are not."""
    return "".join(WORDS[int(len(WORDS) * chance.random() ** 2)] for _ in range(chance.randrange(2, 9)))


_SPOKEN = """
会费 困难补助 请问 怎么交 投票 到账 五里桥 低保 选举 通知 水费 医保 补卡 身份证 村委会 开会 时间 地点 明天 昨天 上个月
还没 收到 回复 谢谢 申请 材料 审批 进度 名单 公示 合作社 种子 化肥 灌溉 水渠 修路 路灯 停电 电费 学校 报名 学习 积分
答题 党员 支部 书记 组织 关系 转接 外出 务工 返乡 防汛 值班 台风 预警 疫苗 体检 养老 保险 残疾 证件 办理 窗口 电话 号码
换号 绑定 解绑 余额 充值 缴纳 收据 发票 退款 减免 欠费 三个月 半年 一年 多少钱 为什么 什么时候 在哪里 找谁 不知道 不清楚
麻烦 尽快 处理 投诉 建议 垃圾 清运 厕所 改造 危房 住房 补贴 土地 流转 承包 合同 林地 防火 巡查 护林 饮水 安全 食品 超市
快递 班车 停运 恢复 孩子 老人 生病 住院 报销 比例 药店 DUES help PAY balance vote NEWS wifi OK
"""
WORDS = tuple(_SPOKEN.split())
_SHORT = ("会费", "DUES", "11", "0", "帮助", "help", "22", "收到", "确认", "退订")
_REPLIES = (
    "【安河组织】{n}月会费{m}.00元，另欠{k}个月。交费回12",
    "【安河组织】已收到{m}.00元，收据号{s}。查询回14",
    "【安河组织】没有看懂，回0看帮助。咨询回71加问题",
    "【安河组织】咨询{s}已受理，工作时间内答复",
    "【安河组织】本周{n}日{k}点在村部开会，请准时参加，回22确认",
    "Anhe: you owe {m}.00 for {k} months. Reply 12 to pay, 0 for help",
)
# direction, state, channel, link, command, class, error, who says it, and how many in a thousand
_KINDS: Sequence[tuple[str, str, str, str, str | None, str, str | None, str, int]] = (
    ("in", "received", "sms", "mobile", "11", "A", None, "word", 120),
    ("in", "received", "sms", "mobile", "0", "A", None, "word", 40),
    ("in", "received", "sms", "mobile", "22", "A", None, "word", 60),
    ("in", "received", "sms", "mobile", "E01", "A", None, "person", 90),
    ("in", "received", "sms", "village", "E01", "A", None, "person", 20),
    ("in", "received", "sms", "mobile", "71", "D", None, "", 50),
    ("in", "received", "sms", "mobile", "12", "B", None, "", 40),
    ("in", "received", "sms", "mobile", "33", "C", None, "", 30),
    ("in", "received", "ussd", "mobile", "11", "A", None, "word", 40),
    ("out", "delivered", "sms", "mobile", "11", "A", None, "reply", 250),
    ("out", "delivered", "sms", "mobile", None, "A", None, "reply", 160),
    ("out", "delivered", "sms", "village", "11", "A", None, "reply", 20),
    ("out", "sent", "sms", "mobile", "11", "A", None, "reply", 40),
    ("out", "failed", "sms", "mobile", "11", "A", FAILED, "reply", 20),
    ("out", "failed", "sms", "mobile", None, "A", "0x00000045", "reply", 9),
    ("out", "expired", "sms", "mobile", "11", "A", None, "reply", 8),
    ("out", "unknown", "sms", "mobile", "11", "A", None, "reply", 2),
    ("out", "cancelled", "sms", "mobile", None, "A", "stop", "reply", 1),
)
