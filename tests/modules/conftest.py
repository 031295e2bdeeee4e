"""A site's conda with its module tree, for every test; and each test in each shell with each module system."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.modules.systems import SYSTEMS, ModuleSystem
from tests.shells.dialects import BASH, DASH, FISH, KSH, TCSH, ZSH, Dialect
from tests.shells.harness import Say, Step
from tests.shells.sites import Site, build_site
from userconda.site.definition import parse_site
from userconda.site.modules import execute_modules, plan_modules

SITE_FILE = """
[conda]
root = {root}
version = "4.8.3"

[user_space]
root = "{space}"

[modules]
tree = "{tree}"
setenv = {{ IBM_POWERAI_LICENSE_ACCEPT = "yes", ODD = "{odd}" }}
defaults = ["python3/powerai_1.7.0"]

[[environments]]
name = "py{{python}}_powerai_{{powerai}}"
module = "python{{python}}/powerai_{{powerai}}"
matrix = {{ python = ["3"], powerai = ["1.7.0", "1.6.2"] }}

[[package_modules]]
package = "tensorflow"
module = "tensorflow-py{{python}}/{{version}}"
family = "package"
"""
ODD = 'it\'s "q" \\ $HOME `id` ; & ! [x] {y * ~ % ü'
RECORDS = {"python": "3.7.6", "tensorflow": "2.1.0", "libz": "1.2.13"}


@dataclass(frozen=True)
class ModuleSite:
    """A conda, the directory with its modulefiles, and the file that says what is in them."""

    site: Site
    tree: Path
    definition: str

    @property
    def start(self) -> dict[str, str]:
        return {**self.site.start, "MODULEPATH": str(self.tree)}

    def prefix(self, name: str) -> Path:
        return self.site.root / "envs" / name


def build_modules(directory: Path, root_name: str = "conda-4.8.3", space: str = "$SCRATCH/conda_local") -> ModuleSite:
    site = build_site(directory, root_name)
    meta = site.root / "envs/py3_powerai_1.7.0/conda-meta"
    for name, version in RECORDS.items():
        (meta / f"{name}-{version}-h1_0.json").write_text("{}")
    site.environment("py3_powerai_1.6.2", prefix=site.root / "envs/py3_powerai_1.6.2")
    tree = directory / "tree"
    odd = ODD.replace("\\", "\\\\").replace('"', '\\"')
    root = '"' + str(site.root).replace("\\", "\\\\").replace('"', '\\"') + '"'
    definition = SITE_FILE.format(root=root, space=space, tree=tree, odd=odd)
    execute_modules(plan_modules(parse_site(definition, "site.toml")))
    return ModuleSite(site, tree, definition)


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> ModuleSite:
    return build_modules(tmp_path_factory.mktemp("modules"))


@pytest.fixture
def make_modules(tmp_path: Path) -> Callable[..., ModuleSite]:
    def make(**how: str) -> ModuleSite:
        return build_modules(tmp_path, **how)

    return make


@pytest.fixture(params=SYSTEMS, ids=str)
def system(request: pytest.FixtureRequest) -> ModuleSystem:
    system: ModuleSystem = request.param
    assert system.program
    return system


@pytest.fixture(params=(BASH, ZSH, DASH, KSH, TCSH, FISH), ids=str)
def shell(request: pytest.FixtureRequest) -> Dialect:
    dialect: Dialect = request.param
    assert dialect.argv
    return dialect


def module(*words: str) -> Step:
    return Say(lambda dialect: dialect.call("module", words), told=f"module {' '.join(words)}")


def start(system: ModuleSystem) -> Step:
    return Say(system.start, told=f"start {system}")
