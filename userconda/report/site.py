"""`ucenv site ...` as text."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from userconda.report.terminal import print_text
from userconda.units import format_bytes, format_count, printable

if TYPE_CHECKING:
    from userconda.cli.site.init import InitResult
    from userconda.cli.site.modules import ModulesResult
    from userconda.cli.site.package import PackageResult
    from userconda.cli.site.users import UsersResult
    from userconda.site.users import Dependents


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


def render_package(result: PackageResult) -> None:
    """What was made, or what would be in it; how to install it is the package manager's."""
    plan = result.plan
    files = format_count(len(plan.paths), "file")
    where = f"{files} for {printable(plan.tree)}"
    if not result.action:
        print_text(f"would be written: {printable(result.path)}, {where}")
        for path in plan.paths:
            print_text(f"  {printable(path)}")
        return
    said = "nothing to do: it is there already" if result.action == "same" else result.action
    print_text(f"{printable(result.path)}: {said}, {where}, {format_bytes(result.size_bytes or 0)}")


def render_users(result: UsersResult) -> None:
    """Each environment with the clones of it; then where was looked."""
    found = result.found
    for environment in found.environments:
        module = f" ({environment.module})" if environment.module else ""
        gone = "" if environment.exists else ", which is no more"
        owners = format_count(len({clone.owner for clone in environment.clones}), "user")
        count = f"{format_count(len(environment.clones), 'clone')} of {owners}" if environment.clones else "no clones"
        print_text(f"{printable(environment.name)}{module}{gone}: {count}")
        _clones(environment)
    print_text(
        f"{format_count(sum(len(e.clones) for e in found.environments), 'clone')} among "
        f"{format_count(found.looked_at, 'environment')} in {format_count(found.spaces, 'space')}: "
        + ", ".join(map(printable, found.searched))
    )


def _clones(environment: Dependents) -> None:
    rows = []
    for clone in environment.clones:
        made = time.strftime("%Y-%m-%d", time.localtime(clone.made)) if clone.made else "?"
        remarks = [clone.how, *([f"through {clone.via}"] if clone.via else []), *([clone.state] if clone.state else [])]
        rows.append((printable(clone.owner), made, printable(clone.prefix), printable(", ".join(remarks))))
    widths = [max(len(row[column]) for row in rows) for column in range(3)] if rows else []
    for row in rows:
        print_text("  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, [*widths, 0], strict=True)))
