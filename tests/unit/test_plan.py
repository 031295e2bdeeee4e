"""What is decided, where a whole clone would not show it."""

from __future__ import annotations

import pytest

from userconda import execute, parallel
from userconda.models import DirectoryStep, LinkGroup, LinkMode
from userconda.plan import partition


@pytest.mark.parametrize("files", [0, 110, 400])
def test_the_pool_takes_the_units_of_any_number_of_workers(files: int) -> None:
    group = LinkGroup((LinkMode.HARDLINK,), tuple(map(str, range(files))), 0)
    steps = [DirectoryStep(""), *(DirectoryStep(f"d{number:05}", (group,)) for number in range(6000))]
    _, units = partition(steps, execute._MOST_PARTS)
    assert len(units) <= parallel._MOST_UNITS
    assert [step.path for step in steps] == sorted(step.path for unit in units for step in unit)
