"""`ucenv site ...` as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from userconda.report.terminal import print_text
from userconda.units import format_count, printable

if TYPE_CHECKING:
    from userconda.cli.site.init import InitResult
    from userconda.cli.site.modules import ModulesResult


def render_init(result: InitResult) -> None:
    would = "would be written" if result.dry_run else "written"
    print_text(f"{printable(result.path)} {would}, for {printable(result.conda_root)}")
    print_text("edit it; then `ucenv site modules --dry-run`")


def render_modules(result: ModulesResult) -> None:
    """What changes, file by file; then the sums."""
    would = "would be " if result.dry_run else ""
    changes = result.plan.changes
    for change in changes:
        if change.action != "same":
            print_text(f"{would}{change.action}: {printable(change.path)}")
    counts = {action: sum(c.action == action for c in changes) for action in ("written", "replaced", "removed", "same")}
    said = ", ".join(f"{count:,} {action}" for action, count in counts.items() if count and action != "same")
    files = format_count(len(changes) - counts["removed"], "file")
    print_text(f"{printable(result.plan.tree)}: {files}{f' ({would}{said})' if said else ', nothing to do'}")
