"""How Chinese is said, in letters."""

from __future__ import annotations

import os

# Single characters are enough; the phrases would cost 40 MB and half a second.
os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")

from pypinyin import lazy_pinyin

__all__ = ["lazy_pinyin"]
