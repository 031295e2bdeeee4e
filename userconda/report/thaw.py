"""What `ucenv thaw` tells: the price before, the price after, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from userconda.report.terminal import note, print_text
from userconda.units import format_bytes, format_count, format_seconds, printable

if TYPE_CHECKING:
    from userconda.models import Charge
    from userconda.thaw import Thawed, ThawPlan

_FILES = {
    "hardlinked": "hard-linked to the parent's: charged to their owner, not to you",
    "twins": "linked to files of yours",
    "reflinked": "copied, blocks shared",
    "copied": "copied",
    "symlinked": "links again, as nobody asked for them",
}


def announce_thaw(plan: ThawPlan) -> None:
    """Before anything is made."""
    why = f"; copies, as files cannot be linked: {plan.why_copied}" if plan.why_copied else ""
    note(f"about {_price(plan.charge)} more will be charged to you{why}")


def render_thaw(result: Thawed) -> None:
    name = printable(result.prefix)
    if result.nothing_to_do:
        print_text(f"Nothing to do: {_why_nothing(result)}")
        return
    verb = "Would thaw" if result.dry_run else "Thawed"
    timing = "" if result.dry_run else f" in {format_seconds(result.seconds)}"
    what = f"{', '.join(map(printable, result.packages))} in {name}" if result.packages else name
    print_text(f"{verb} {what}{timing}")
    if result.directories:
        linked = f", with {format_count(result.linked, 'link')} in them" if result.linked else ""
        made = format_count(result.made, "directory")
        links = format_count(result.directories, "linked directory")
        print_text(f"  {links}: now {made} of its own{linked}")
    if result.files:
        what = "files now have inodes of their own" if result.own else "linked files: now files"
        print_text(f"  {result.files:,} {what}")
    for kind, label in _FILES.items():
        if count := result.counts.get(kind, 0):
            why = f": {result.why_copied}" if kind in ("copied", "reflinked") and result.why_copied else ""
            print_text(f"  {count:,} {label}{why}")
    print_text(f"  charged to you: {_price(result.charged)} more")
    if not result.dry_run and result.predicted != result.charged:
        print_text(f"  predicted: {_price(result.predicted)}")
    if result.dry_run and result.fit:
        verb = "may not fit" if result.fit.doubtful else "fits"
        known = "" if result.fit.quota_known else "; no quota could be read"
        print_text(f"  it {verb}: {format_bytes(result.fit.left_bytes)} are left{known}")
    if result.thin and not (result.dry_run and result.whole):
        print_text(f"  other links still lead to {printable(result.parent)}: ucenv thaw ENV --all")
    elif result.whole and result.parent:
        verb = "would depend" if result.dry_run else "depends"
        print_text(f"  it {verb} on no other environment; it was a clone of {printable(result.parent)}")


def _why_nothing(result: Thawed) -> str:
    name = printable(result.prefix)
    if result.own:
        return "every file of it has an inode of its own"
    if result.packages:
        return f"no link leads to what {', '.join(map(printable, result.packages))} has in {name}"
    return f"{name} has no links into another environment; --own gives its files inodes of their own"


def _price(charge: Charge) -> str:
    return f"{format_bytes(charge.size_bytes)} and {format_count(charge.inodes, 'inode')}"
