"""`ucenv quota [DIR...]`: what the quotas of some directories say."""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass, replace
from typing import Any

from userconda.config import home_directory, read_config
from userconda.errors import FileOperation, UsageError
from userconda.models import QuotaAnswer, UnknownText, mark_tightest
from userconda.quota import DIALECTS, parse, read_quotas
from userconda.quota.run import MOST_BYTES
from userconda.quota.text import Unknown
from userconda.units import percent

EXAMPLE = "ucenv quota $SCRATCH"


@dataclass(frozen=True, slots=True)
class QuotaResult:
    """
    Attributes:
        directories: asked for; none where a captured output was read.
        fail_over: percent of a limit from which on the exit code is 1.
        show_texts: print what was not understood.
    """

    directories: tuple[str, ...]
    answer: QuotaAnswer
    fail_over: float | None = None
    show_texts: bool = False

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.answer.unknown

    @property
    def reached(self) -> bool:
        return self.fail_over is not None and self.answer.reaches(self.fail_over)

    @property
    def exit_code(self) -> int:
        """1 also where a captured output holds no reading: whoever checks a dialect wants to know."""
        return int(self.reached or not (self.directories or self.answer.readings))

    def to_json(self) -> dict[str, Any]:
        return {
            "directories": list(self.directories),
            "readings": [reading.to_json() for reading in self.answer.readings],
            "unknown": list(self.answer.unknown),
            "texts": [text.to_json() for text in self.answer.texts],
            "fail_over": self.fail_over,
            "reached": self.reached,
        }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directories", nargs="*", metavar="DIR", help="default: your space and your home")
    parser.add_argument(
        "--family", choices=sorted(DIALECTS), help="how to ask, or with --from what printed it; default: by the mount"
    )
    parser.add_argument(
        "--from", dest="captured", metavar="FILE", help="read a captured output of the family's command (-: stdin)"
    )
    parser.add_argument(
        "--fail-over", type=percent, metavar="PERCENT", help="exit 1 where a quota is used up to that, for job scripts"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show what was not understood")


def run(args: argparse.Namespace) -> QuotaResult:
    if args.captured is not None:
        if args.family is None or args.directories:
            raise UsageError(
                "--from takes --family, and no DIR",
                f"families: {', '.join(sorted(DIALECTS))}; see `ucenv quota --help`",
            )
        return QuotaResult((), _parse_captured(args.family, args.captured), args.fail_over, args.verbose)
    config = read_config({"root": args.root})
    if args.family == "site" and not config["quota.command"]:
        raise UsageError("--family site needs quota.command", "it names the site's command: see `ucenv config`")
    given = args.directories or (config.root, home_directory(config.environment))
    directories = tuple(dict.fromkeys(os.path.abspath(directory) for directory in given))
    for directory in args.directories:
        if not os.path.lexists(directory):
            raise UsageError(f"{directory} does not exist")
    answer = QuotaAnswer()
    for directory in directories:
        answer += read_quotas(directory, config, family=args.family)
    return QuotaResult(directories, answer, args.fail_over, args.verbose)


def _parse_captured(family: str, path: str) -> QuotaAnswer:
    text = _read(path)
    source = "stdin" if path == "-" else path
    try:
        found = parse(family, text, time.time())
    except Unknown as exc:
        unread = UnknownText(source, exc.reason, None, text, "")
        return QuotaAnswer((), (f"quota unknown: {source}: {exc.reason}",), (unread,))
    return QuotaAnswer(mark_tightest([replace(reading, source=source) for reading in found]))


def _read(path: str) -> str:
    try:
        if path == "-":
            data = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with open(path, "rb") as stream:
                data = stream.read(MOST_BYTES + 1)
    except OSError as exc:
        raise FileOperation("reading", path, exc.errno or 0) from None
    if len(data) > MOST_BYTES:
        raise UsageError(f"{path} is larger than {MOST_BYTES >> 20} MiB", "that is no quota command's output")
    return data.decode("utf-8", "replace")
