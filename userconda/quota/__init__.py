"""What quotas hold for a directory: one adapter for each filesystem family, asked without privileges and with a time
limit. What cannot be read is "quota unknown", with the reason: never zero, never a failure.

The texts that were not understood are kept in the answer; `ucenv quota -v` and `--json` show them. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from userconda.models import QuotaReading
from userconda.quota import beegfs, btrfs, cephfs, gpfs, linux, lustre, panasas, site, statvfs, xfs, zfs
from userconda.quota.text import Unknown

#: family -> what reads texts of it. A wrapper for Lustre's command may print BeeGFS's table below.
DIALECTS: Final[dict[str, tuple[Callable[[str, float], list[QuotaReading]], ...]]] = {
    "lustre": (lustre.parse_lustre, beegfs.parse_beegfs),
    "gpfs": (gpfs.parse_mmlsquota,),
    "quota": (linux.parse_quota,),
    "xfs": (xfs.parse_xfs_quota,),
    "beegfs": (beegfs.parse_beegfs,),
    "cephfs": (cephfs.parse_getfattr,),
    "zfs": (zfs.parse_zfs,),
    "btrfs": (btrfs.parse_btrfs,),
    "panasas": (panasas.parse_pan_quota,),
    "statvfs": (statvfs.parse_df,),
    "site": (site.parse_site,),
}


def parse(family: str, text: str, now: float) -> list[QuotaReading]:
    """The readings in a captured output.

    Args:
        now: seconds since the epoch at which it was printed: some commands print when a grace time ends.

    Raises:
        Unknown: none is in it.
    """
    readings: list[QuotaReading] = []
    reasons: list[Unknown] = []
    for dialect in DIALECTS[family]:
        try:
            readings += dialect(text, now)
        except Unknown as exc:
            reasons.append(exc)
    if not readings:
        raise reasons[0]
    return readings
