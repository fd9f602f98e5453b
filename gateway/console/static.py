"""Static files, read once at the start and named by their content, so that browsers may keep them for ever."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    kind: str
    plain: bytes
    packed: bytes
    digest: str


class Static:
    """All files below the static folders; an extension's stand below its name."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._files: dict[str, File] = {}
        for prefix, folder in folders.items():
            for path in sorted(folder.rglob("*")):
                if path.is_file() and path.suffix in _KINDS:
                    content = path.read_bytes()
                    self._files[prefix + path.relative_to(folder).as_posix()] = File(
                        kind=_KINDS[path.suffix],
                        plain=content,
                        packed=gzip.compress(content, 9, mtime=0),
                        digest=hashlib.sha256(content).hexdigest()[:12],
                    )

    def get(self, name: str) -> File | None:
        return self._files.get(name)

    def address(self, name: str) -> str:
        return f"/static/{name}?v={self._files[name].digest}"
