"""The scripts of docs/job-scripts.md, as they stand there, in the shells that their first lines name."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable

import pytest

from tests.shells.dialects import Dialect
from tests.shells.sites import Site, without
from tests.support import CHECKOUT, Unavailable
from userconda.rcfile import source_line
from userconda.shells import root_for_hook, source_command

TEXT = (CHECKOUT / "docs/job-scripts.md").read_text()
SCRIPTS = re.findall(r"^```\w+\n(#!.*?)^```$", TEXT, re.M | re.S)
#: What starts the tasks, and the program itself.
PROGRAMS = {
    "srun": '#!/bin/sh\nexec "$@"\n',
    "flux": '#!/bin/sh\nshift 2\nexec "$@"\n',
    "python": '#!/bin/sh\necho "$* in $CONDA_PREFIX with $CONDA_ENVS_PATH"\n',
}


def name(script: str) -> str:
    first, *lines = script.splitlines()
    systems = ("#SBATCH", "#PBS", "# flux")
    system = next((word.strip("# ") for word in systems if any(line.startswith(word) for line in lines)), "none")
    return f"{first.split()[0].rpartition('/')[2]}-{system}{'-signal' if '--signal' in script else ''}"


def test_every_batch_system_has_a_script_in_three_shells() -> None:
    found = {name(script) for script in SCRIPTS}
    assert found >= {f"{shell}-{system}" for shell in ("bash", "tcsh", "fish") for system in ("SBATCH", "PBS", "flux")}


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_a_script_of_the_documentation_runs(script: str, make_site: Callable[..., Site]) -> None:
    site = make_site()
    prefix = site.environment("mine")
    shell, *options = script.splitlines()[0].removeprefix("#!").split()
    if (found := shutil.which(shell.rpartition("/")[2])) is None:
        raise Unavailable(f"needs {shell}", tool=shell.rpartition("/")[2])
    text = script.replace("/apps/conda/etc/profile.d", str(site.hooks)).replace("/apps/conda", str(site.root))
    assert run_job([found, *options], text, site) == f"train.py in {prefix} with {site.space}/envs:{site.root}/envs\n"


@pytest.mark.parametrize("how", [source_line, source_command])
def test_what_setup_writes_and_says_is_enough_for_a_load(
    how: Callable[[str, str, str | None], str], shell: Dialect, make_site: Callable[..., Site]
) -> None:
    site = make_site("it's a root")
    prefix = site.environment("mine")
    hook = str(site.hooks / shell.hook)
    line = how(str(shell), hook, root_for_hook(str(shell), hook, str(site.root)))
    told = run_job(shell.argv, f"{line}\nucenv load mine\npython train.py\nucenv unload\n", site)
    assert told == f"train.py in {prefix} with {site.space}/envs:{site.root}/envs\n"


def run_job(argv: list[str], text: str, site: Site) -> str:
    """A job's output; it has what a batch system gives, and no word of where conda is."""
    programs, job = site.directory / "programs", site.directory / "job"
    programs.mkdir()
    for program, code in PROGRAMS.items():
        (programs / program).write_text(code)
        (programs / program).chmod(0o755)
    job.write_text(text)
    more = {"PATH": f"{programs}:/usr/bin:/bin", "PBS_O_WORKDIR": "/"}
    environment = {**without(site.start, ["UCENV_CONDA_ROOT"]), **more}
    done = subprocess.run([*argv, job], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
