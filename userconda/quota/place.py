"""Where a quota is asked for, and what is asked: values that every family's `ask` takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from userconda.models import QuotaReading
from userconda.quota.text import Subject

Command = tuple[str, ...]
Parser = Callable[[str], list[QuotaReading]]


@dataclass(frozen=True, slots=True)
class Place:
    """A directory on a mount, and who asks.

    Attributes:
        directory: real path of a directory that exists.
        mount: the mount point it is under.
        root: of the mounts of that filesystem, one that shows all of it (a bind mount may show a part).
        fstype: as the kernel names it: lustre, nfs4, xfs.
        device: what is mounted: /dev/sda1, server:/export, a GPFS device.
        gid: the group that a new file here gets.
        project_id: of the directory, 0 for none.
    """

    directory: str
    mount: str
    root: str
    fstype: str
    device: str
    uid: int
    user: str
    gid: int
    project_id: int


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to ask.

    Attributes:
        commands: argument vectors, and what reads the output of each (raises Unknown). The best to parse comes first;
            the next is run where one gave no reading.
        subject: whose quota was asked for: fills in what the output leaves out.
        all_told: the output itself tells mount and filesystem of each reading, as a site's own command does.
    """

    commands: tuple[tuple[Command, Parser], ...]
    subject: Subject = field(default_factory=Subject)
    all_told: bool = False
