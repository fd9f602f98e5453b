"""What went wrong and where, in one line that may be written down: an exception often quotes what it was given."""

from __future__ import annotations

import traceback
from pathlib import Path

_FRAMES = 8
_HOUSE = Path(__file__).parents[2]


def fault(error: BaseException | None) -> str:
    """`ValueError: gateway/handling.py:120 _one > commands/bind.py:41 check`, and nothing that was said."""
    if error is None:
        return "unknown"
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    way = " > ".join(f"{_place(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{type(error).__name__}: {way}" if way else type(error).__name__


def _place(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(_HOUSE)) if path.is_relative_to(_HOUSE) else "/".join(path.parts[-2:])
