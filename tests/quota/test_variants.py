"""Made-up quotas, printed as each family's command prints them: every figure comes back.

And of the same text cut off, or with a character or word of it lost, each figure is right or is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from userconda.models import QuotaReading
from userconda.quota import parse
from userconda.quota.text import Unknown

NOW = 1_800_000_000
FIGURES = ("used_bytes", "soft_bytes", "hard_bytes", "used_files", "soft_files", "hard_files")

Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(frozen=True)
class Row:
    """What one line says: tokens, and the figures that they stand for."""

    tokens: dict[str, str]
    values: dict[str, int | None]
    name: str
    graces: tuple[str, str] = ("-", "-")
    seconds: tuple[int | None, int | None] = (None, None)


@dataclass(frozen=True)
class Printed:
    """A command's output, and the readings that are in it."""

    family: str
    text: str
    rows: tuple[Row, ...]

    @property
    def figures(self) -> list[dict[str, int | None]]:
        return [row.values for row in self.rows]


# what may be printed ------------------------------------------------------------------------------------------------

NUMBERS = st.one_of(st.integers(0, 200), st.integers(0, 1 << 45))

#: Above that is what NetApp prints for "no limit".
FILES = st.one_of(st.integers(0, 200), st.integers(0, 4_000_000_000)).map(lambda number: (str(number), number))
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def human(letters: str, suffix: str = "") -> st.SearchStrategy[tuple[str, int]]:
    """ "1.7G", and its bytes."""
    digits = st.one_of(st.integers(1, 1023).map(str), st.decimals(1, 999, places=1).map(str))
    return st.tuples(digits, st.sampled_from(letters)).map(
        lambda part: (f"{part[0]}{part[1]}{suffix}", round(Fraction(part[0]) * UNITS[part[1].upper()]))
    )


def kib() -> st.SearchStrategy[tuple[str, int]]:
    return NUMBERS.map(lambda number: (str(number), number << 10))


def whole() -> st.SearchStrategy[tuple[str, int]]:
    return NUMBERS.map(lambda number: (str(number), number))


NAMES = st.sampled_from(["/a", "/scratch", "/mnt/storage_5/scratch", "/home/my.site-2", "/lustre/07/projects/p1234567"])
USERS = st.sampled_from(["a", "alice", "a.very-long_name1", "x86user"])

#: Lines of other languages and programs, around the rows.
NOISE = st.sampled_from([
    "Warnung: Der Server antwortet nicht", "警告：磁盘配额即将用完", "Attention : quota presque atteint", "", "*" * 40,
    "Последний вход: вчера", "-- MOTD --", "Bitte aufräumen!", "ディスク使用量", "Maintenance on Tuesday",
])  # fmt: skip


@st.composite
def rows(
    draw: Draw,
    sizes: st.SearchStrategy[tuple[str, int]],
    counts: st.SearchStrategy[tuple[str, int]],
    *,
    unlimited: str = "0",
    graces: bool = True,
) -> Row:
    tokens: dict[str, str] = {}
    values: dict[str, int | None] = {}
    for figure in FIGURES:
        token, value = draw(counts if "files" in figure else sizes)
        if not figure.startswith("used") and draw(st.integers(0, 3)) == 0:
            token, value = (unlimited if "bytes" in figure else "0"), 0
        tokens[figure] = token
        values[figure] = value if figure.startswith("used") else (value or None)
    words, seconds = [], []
    for kind in ("bytes", "files"):
        soft = values[f"soft_{kind}"]
        over = soft is not None and (values[f"used_{kind}"] or 0) > soft
        days = draw(st.integers(1, 20)) if graces and over else None
        words.append("-" if days is None else f"{days}days")
        seconds.append(None if days is None else days * 86_400)
    name = draw(NAMES)
    return Row(tokens, values, name, (words[0], words[1]), (seconds[0], seconds[1]))


def columns(row: Row, graces: Sequence[str], star: str = "") -> list[str]:
    """The eight of quota(1) and lfs; `star` on what is used, whether it is over or not."""
    of = row.tokens
    return [
        of["used_bytes"] + star, of["soft_bytes"], of["hard_bytes"], graces[0], of["used_files"] + star,
        of["soft_files"], of["hard_files"], graces[1],
    ]  # fmt: skip


@st.composite
def lustre(draw: Draw) -> Printed:
    for_people, new = draw(st.booleans()), draw(st.booleans())
    sizes, unlimited = (human("kMGT"), "0k") if for_people else (kib(), "0")
    printed = tuple(draw(st.lists(rows(sizes, whole(), unlimited=unlimited), min_size=1, max_size=3)))
    files = (
        "bquota  blimit  bgrace   files   iquota  ilimit  igrace"
        if new
        else "quota   limit   grace   files   quota   limit   grace"
    )
    lines = [draw(NOISE)]
    for row in printed:
        star, bracket = draw(st.sampled_from(["", "*"])), draw(st.booleans())
        figures = columns(row, row.graces, star)
        figures[0] = f"[{row.tokens['used_bytes']}]{star}" if bracket else figures[0]
        lines += [
            f"Disk quotas for {draw(st.sampled_from(['usr', 'grp', 'prj']))} me (uid 7):",
            f"     Filesystem  {'used' if for_people else draw(st.sampled_from(['kbytes', 'used']))}   {files}",
            *wrapped(row.name, figures, draw(st.booleans())),
        ]
        if draw(st.booleans()):
            lines.append("uid 7 is using default block quota setting")
        lines.append(draw(NOISE))
    return Printed("lustre", "\n".join(lines) + "\n", printed)


def wrapped(name: str, figures: Sequence[str], wrap: bool) -> list[str]:
    text = "  ".join(filter(None, figures))
    return [f"{name}    ", f"{' ' * 17}{text}"] if wrap else [f"   {name}  {text}"]


@st.composite
def quota(draw: Draw) -> Printed:
    """Words for graces, left out where there is none; or with -p the second they end at."""
    raw, for_people = draw(st.booleans()), draw(st.booleans())
    sizes, unlimited = (human("KMGT"), "0K") if for_people else (kib(), "0")
    printed = tuple(draw(st.lists(rows(sizes, FILES, unlimited=unlimited), min_size=1, max_size=3)))
    word = "space" if for_people else draw(st.sampled_from(["blocks", "space"]))
    lines = [
        draw(NOISE),
        f"Disk quotas for {draw(st.sampled_from(['user', 'group', 'project']))} {draw(USERS)} (uid 12): ",
        f"     Filesystem  {word}   quota   limit   grace   files   quota   limit   grace",
    ]
    for row in printed:
        if raw:
            graces = [str(NOW + seconds) if seconds else "0" for seconds in row.seconds]
        else:
            graces = [word if seconds else "" for word, seconds in zip(row.graces, row.seconds, strict=True)]
        device = draw(st.sampled_from(["", "/dev/vda ", "server:/export "]))
        lines += wrapped(
            device + row.name,
            columns(row, graces, draw(st.sampled_from(["", "*"]))),
            not device and draw(st.booleans()),
        )
        lines.append(draw(NOISE.filter(bool)))
    return Printed("quota", "\n".join(lines) + "\n", printed)


@st.composite
def gpfs(draw: Draw) -> Printed:
    """With -Y, or as a table in KB or for people."""
    form = draw(st.sampled_from(["-Y", "KB", "blocks"]))
    sizes = human("KMGT") if form == "blocks" else kib()
    printed = tuple(draw(st.lists(rows(sizes, whole(), graces=False), min_size=1, max_size=3)))
    has_fileset = draw(st.booleans())
    if form == "-Y":
        words = ("Usage", "Quota", "Limit", "InDoubt", "Grace")
        kinds = (f"{kind}{word}" for kind in ("block", "files") for word in words)
        names = ":".join(["version:reserved:reserved:filesystemName:quotaType:id:name", *kinds, "remarks"])
        more = draw(st.sampled_from(["filesetname:", "quota:defQuota:fid:filesetname:", "fid:filesetname:"]))
        lines = [draw(NOISE.filter(lambda line: ":" not in line)), f"mmlsquota:user:HEADER:{names}:{more}"]
        for row in printed:
            c = columns(row, ("none", "7%20days"))
            blocks, files = ":".join([*c[:3], "3", c[3]]), ":".join([*c[4:7], "4", c[7]])
            rest = ":" * (more.count(":") - 1) + "home:"
            lines.append(f"mmlsquota:user:0:1:::fs1:USR:7:a%3Ab:{blocks}:{files}:remark:{rest}")
    else:
        fileset = "Fileset    " if has_fileset else ""
        right = "files  quota  limit in_doubt  grace  Remarks"
        lines = [
            "                         Block Limits            |     File Limits",
            f"Filesystem {fileset}type   {form}  quota  limit  in_doubt  grace |  {right}",
        ]
        for row in printed:
            c = columns(row, ("none", draw(st.sampled_from(["none", "7 days", "expired"]))))
            blocks, files = "  ".join([*c[:3], "0", c[3]]), "  ".join([*c[4:7], "4", c[7]])
            remark = draw(st.sampled_from(["", "cluster.one"]))
            lines.append(f"fs1  {'home ' if has_fileset else ''}USR  {blocks} | {files} {remark}")
    return Printed("gpfs", "\n".join(lines) + "\n", printed)


@st.composite
def xfs(draw: Draw) -> Printed:
    """`report -b -i` with its headers, or `quota -N`."""
    printed = tuple(draw(st.lists(rows(kib(), whole(), graces=False), min_size=1, max_size=3)))
    report = draw(st.booleans())
    lines = (
        ["User quota on /mnt (/dev/vda)", "       Blocks        Inodes     ", "User ID  Used  Soft  Hard Warn/Grace"]
        if report
        else []
    )
    for row in printed:
        c = columns(row, ("[--------]", "[6 days]"))
        figures = "  ".join([*c[:3], "00", c[3], *c[4:7], "00", c[7]])
        lines.append(f"{draw(USERS)}  {figures}" if report else f"/dev/vda  {figures} {row.name}")
    return Printed("xfs", "\n".join(lines) + "\n", printed)


def no_soft(row: Row) -> Row:
    return Row(row.tokens, {**row.values, "soft_bytes": None, "soft_files": None}, row.name)


@st.composite
def beegfs(draw: Draw) -> Printed:
    import json

    form = draw(st.sampled_from(["csv", "table", "ndjson"]))
    sizes = human("KMGT", "iB") if form == "table" else whole()
    printed = tuple(map(no_soft, draw(st.lists(rows(sizes, whole(), graces=False), min_size=1, max_size=3))))
    lines = ["", "Quota information for storage pool Default (ID: 1):", ""]
    lines += {"csv": ["name,id,size,hard,files,hard"], "ndjson": []}.get(form, [
        "      user/group     ||           size          ||    chunk files    ",
        "     name     |  id  ||    used    |    hard    ||  used   |  hard   ",
        "--------------|------||------------|------------||---------|---------",
    ])  # fmt: skip
    for row in printed:
        used, hard, files, most = (row.tokens[f] for f in ("used_bytes", "hard_bytes", "used_files", "hard_files"))
        if form == "csv":
            lines.append(f"me,7,{used},{hard},{files},{most}")
        elif form == "table":
            used, hard = (
                size.replace("iB", "").rstrip("KMGT") + f" {size[-3:]}" if size != "0" else size
                for size in (used, hard)
            )
            hard = "unlimited" if hard == "0" else hard
            lines.append(f"  me|  7||  {used}|  {hard}||  {files}|{'unlimited' if most == '0' else most}")
        else:
            space, inode = f"{used}/{'∞' if hard == '0' else hard}", f"{files}/{'-1' if most == '0' else most}"
            lines.append(
                json.dumps({"name": "me", "id": 7, "type": "user", "pool": "p", "space": space, "inode": inode})
            )
    return Printed("beegfs", "\n".join(lines) + "\n", printed)


@st.composite
def btrfs(draw: Draw) -> Printed:
    new, for_people = draw(st.booleans()), draw(st.booleans())
    sizes = human("KMGT", "iB") if for_people else whole()
    printed = tuple(draw(st.lists(rows(sizes, whole(), unlimited="none", graces=False), min_size=1, max_size=3)))
    lines = (
        ["Qgroupid    Referenced    Exclusive  Max referenced  Max exclusive   Path "]
        if new
        else ["WARNING: something", "qgroupid         rfer         excl     max_rfer     max_excl parent  child"]
    )
    lines.append("--------    ----------    ---------  --------------  -------------   ---- ")
    kept = []
    for number, row in enumerate(printed):
        used, hard = row.tokens["used_bytes"], row.tokens["hard_bytes"]
        hard = "none" if hard == "0" else hard
        lines.append(f"0/{number}  {used}  {used}  {hard}  none   {'home of two' if new else '---  0/3,0/4'}")
        values = dict.fromkeys(FIGURES) | {key: row.values[key] for key in ("used_bytes", "hard_bytes")}
        kept.append(Row(row.tokens, values, row.name))
    return Printed("btrfs", "\n".join(lines) + "\n", tuple(kept))


@st.composite
def zfs(draw: Draw) -> Printed:
    row = no_soft(draw(rows(whole(), whole(), graces=False)))
    used, hard, files, most = (row.tokens[f] for f in ("used_bytes", "hard_bytes", "used_files", "hard_files"))
    who = draw(USERS)
    form = draw(st.sampled_from(["get", "space"]))
    if form == "get":
        pairs = [("userused", used), ("userquota", hard), ("userobjused", files), ("userobjquota", most)]
        lines = [f"tank/home\t{key}@{who}\t{value}" for key, value in pairs]
    else:
        lines = [f"POSIX User\t{who}\t{used}\t{hard}\t{files}\t{most}"]
    return Printed("zfs", "\n".join(lines) + "\n", (row,))


@st.composite
def panasas(draw: Draw) -> Printed:
    def gigabytes() -> st.SearchStrategy[tuple[str, int]]:
        return st.decimals(0, 10**6, places=2).map(lambda number: (f"{number:.2f}", round(Fraction(number) * 10**9)))

    row = draw(rows(gigabytes(), whole(), unlimited="0.00", graces=False))
    c = columns(row, ("", ""))
    text = (
        "    <GB>  <soft>  <hard> : <files> <soft>  <hard> :      <path to volume> <pan_identity(name)>\n"
        f"  {' '.join(c[:3])} : {' '.join(c[4:7])} : {row.name} uid:7(me)\n"
    )
    return Printed("panasas", text, (row,))


FAMILIES = {
    "lustre": lustre(), "quota": quota(), "gpfs": gpfs(), "xfs": xfs(), "beegfs": beegfs(), "btrfs": btrfs(),
    "zfs": zfs(), "panasas": panasas(),
}  # fmt: skip
MANY = settings(max_examples=100, deadline=None)


def of(reading: QuotaReading) -> dict[str, int | None]:
    return {figure: getattr(reading, figure) for figure in FIGURES}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_figure_comes_back(family: str) -> None:
    @MANY
    @given(FAMILIES[family])
    def holds(printed: Printed) -> None:
        found = parse(family, printed.text, NOW)
        assert [of(reading) for reading in found] == printed.figures
        if family in ("lustre", "quota"):
            assert [reading.mount for reading in found] == [row.name for row in printed.rows]
            assert [(r.bytes_grace_seconds, r.files_grace_seconds) for r in found] == [r.seconds for r in printed.rows]
        if family == "lustre":
            assert any(reading.unreliable for reading in found) == ("[" in printed.text)

    holds()


def check_right_or_absent(printed: Printed, text: str) -> None:
    """Each reading is one of those that were printed, but for what it says it does not know."""
    try:
        found = parse(printed.family, text, NOW)
    except Unknown:
        return
    for reading in found:
        known: dict[str, int | None] = {key: value for key, value in of(reading).items() if value is not None}
        for kind in ("bytes", "files"):  # no limit beside a usage says that there is none
            if f"used_{kind}" in known and reading.limits_known:
                known.update((key, value) for key, value in of(reading).items() if key.endswith(kind))
        assert any(known.items() <= figures.items() for figures in printed.figures), (reading, text)


@pytest.mark.parametrize("family", FAMILIES)
def test_cut_off_anywhere(family: str) -> None:
    @MANY
    @given(FAMILIES[family], st.floats(0, 1))
    def holds(printed: Printed, share: float) -> None:
        check_right_or_absent(printed, printed.text[: int(share * len(printed.text))])

    holds()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_character_is_lost(family: str) -> None:
    """What stands in its place is no digit, and no number is made shorter at its end: that nobody could see."""

    @MANY
    @given(
        FAMILIES[family],
        st.integers(0, 10**6),
        st.sampled_from(["\ufffd", "?", " ", "*", "x", ",", "\n", "\x1b", "\x00"]),
    )
    def holds(printed: Printed, place: int, other: str) -> None:
        place %= len(printed.text)
        at_an_end = {printed.text[place - 1 : place], printed.text[place + 1 : place + 2]} - set("0123456789.")
        shorter = other == "\n" or (at_an_end and other in " *")
        assume(not (printed.text[place].isdigit() and shorter))
        # Six figures and the end of the line are a whole row of quota(1), without its graces.
        assume(family != "quota" or other != "\n")
        check_right_or_absent(printed, printed.text[:place] + other + printed.text[place + 1 :])

    holds()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_line_or_a_word_is_lost(family: str) -> None:
    @MANY
    @given(FAMILIES[family], st.integers(0, 10**6), st.sampled_from(["\n", " "]))
    def holds(printed: Printed, place: int, separator: str) -> None:
        parts = printed.text.split(separator)
        parts.pop(place % len(parts))
        check_right_or_absent(printed, separator.join(parts))

    holds()


@pytest.mark.parametrize("family", [*FAMILIES, "cephfs", "statvfs", "site"])
def test_any_text_at_all(family: str) -> None:
    words = [
        "Filesystem",
        "kbytes",
        "quota",
        "limit",
        "grace",
        "files",
        "0",
        "1",
        "/a",
        "\t",
        "\n",
        "-",
        "*",
        "{",
        "[",
        "|",
        ":",
    ]

    @settings(max_examples=100, deadline=None)
    @given(st.one_of(st.text(), st.lists(st.sampled_from(words)).map(" ".join)))
    def holds(text: str) -> None:
        readings, reason = [], ""
        try:
            readings = parse(family, text, NOW)
        except Unknown as exc:
            reason = exc.reason
        assert bool(readings) != bool(reason)

    holds()
