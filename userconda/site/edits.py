"""Small files that an administrator edits too: read, and replaced by rename where a link to them leads."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from userconda import fsops
from userconda.errors import FileRefused


@dataclass(frozen=True, slots=True)
class FileEdit:
    """What a file becomes.

    Attributes:
        path: no symlink.
        data: None: the file goes.
        before: what the new bytes were made from; None where there was no file.
        mode_bits: permission bits to add to those that it had.
    """

    path: str
    data: bytes | None
    before: os.stat_result | None
    mode_bits: int = 0

    def write(self) -> bool:
        """False where somebody else has changed the file since it was read. Then it was not touched.

        Raises:
            FileOperation, NotEnoughSpace, QuotaExceeded: it is as it was.
        """
        return fsops.replace_file(self.path, self.data, self.before, self.mode_bits)


def read_text(path: str) -> tuple[str, str, os.stat_result | None]:
    """A text as it stands, to the byte; where it really is; and of which file it is. "" and None where there is none.

    Raises:
        FileRefused: that is no text file.
        FileOperation: it cannot be read.
    """
    target = os.path.realpath(path)
    try:
        descriptor = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return "", target, None
    except OSError as exc:
        raise fsops.failure("reading", path, exc) from None
    with open(descriptor, encoding="utf-8", errors="surrogateescape", newline="") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):  # a FIFO, /dev/null
            raise FileRefused(path, 0, "it is no regular file")
        try:
            text = stream.read()
        except OSError as exc:
            raise fsops.failure("reading", path, exc) from None
    if "\0" in text:
        raise FileRefused(path, 0, "it is no text file")
    return text, target, status


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
