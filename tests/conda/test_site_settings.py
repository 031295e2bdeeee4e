"""`ucenv site configure` against a real conda: what it refuses, what it reads back, and whom pins bind."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demo import Package, PackageFile, index_channel
from demo.packages import write_package
from tests.conda.conftest import Conda
from tests.unit.test_condarc import TEXT, keys, trees
from userconda.condarc import edit, read_entries
from userconda.errors import SiteFileInvalid
from userconda.site.configure import ConfigurePlan, configure
from userconda.site.definition import parse_site

pytestmark = pytest.mark.conda

SETTINGS = """\
[condarc]
default_threads = 4
channels = ["https://example.org/wmlce", "conda-forge"]
channel_priority = "strict"
auto_update_conda = false
always_yes = true
ssl_verify = "truststore"
remote_read_timeout_secs = 12.5
custom_channels = { "pkgs/pro" = "https://example.org/c" }
channel_settings = [{ channel = "https://example.org/*", auth = "x" }]
proxy_servers = { https = "http://proxy.example.org:3128" }
custom_multichannels = { ours = ["https://example.org/a", "https://example.org/b"] }
env_prompt = "({name}) # "
[pins]
cudatoolkit = "<10.3"
"""


@pytest.fixture
def root(tmp_path: Path, conda: Conda) -> Path:
    """A root whose `bin/conda` is the real one, whose own files are elsewhere."""
    (tmp_path / "root/bin").mkdir(parents=True)
    (tmp_path / "root/conda-meta").mkdir()
    (tmp_path / "root/bin/conda").symlink_to(conda.root / "bin/conda")
    return tmp_path / "root"


def head(root: Path) -> str:
    return f'[conda]\nroot = "{root}"\nversion = "1"\n'


def configured(root: Path, text: str, **options: Any) -> ConfigurePlan:
    text = head(root) + text
    return configure(parse_site(text, "/x/site.toml"), text, **options)


def read_back(conda: Conda, file: Path) -> dict[str, Any]:
    """A file as conda reads it, of all that it reads."""
    environment = conda.environment | {"CONDARC": str(file)}
    command = [str(conda.root / "bin/conda"), "config", "--show-sources", "--json"]
    answer = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    found: dict[str, Any] = answer[str(file)]
    return found


def test_conda_reads_the_values_of_site_toml(root: Path, conda: Conda) -> None:
    (root / ".condarc").write_text("# by hand\nchannels: [old]  # these\nnotify_outdated_conda: false\n")
    plan = configured(root, SETTINGS)
    assert plan.unvalidated == ""
    wanted = dict(parse_site(head(root) + SETTINGS, "").condarc)
    assert read_back(conda, root / ".condarc") == wanted | {
        "notify_outdated_conda": False,
        "pinned_packages": ["cudatoolkit <10.3"],
    }
    assert configured(root, SETTINGS).edits == ()
    environment = conda.environment | {"CONDARC": str(root / ".condarc")}
    command = [str(conda.root / "bin/conda"), "config", "--show", "--json"]
    shown = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    for key in ("default_threads", "channel_priority", "auto_update_conda", "ssl_verify", "env_prompt"):
        assert shown[key] == wanted[key]
    assert shown["channels"][:2] == wanted["channels"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("chanels = ['a']", "line 5: condarc.chanels: this conda has no such setting; did you mean channels?"),
        ("channels = 'a'", """line 5: condarc.channels: a list, such as ["a"], is wanted, not 'a'"""),
        ("channels = [['a']]", "line 5: condarc.channels: a list of texts or numbers is wanted, not [['a']]"),
        ("default_threads = 'four'", "line 5: condarc.default_threads: conda refuses it: Parameter _default_threads"),
        ("default_threads = true", "line 5: condarc.default_threads: a whole number is wanted, not True"),
        ("default_threads = [1]", "line 5: condarc.default_threads: a whole number is wanted, not [1]"),
        ("auto_update_conda = 'no'", "line 5: condarc.auto_update_conda: true or false is wanted, not 'no'"),
        ("custom_channels = ['a']", "line 5: condarc.custom_channels: a table is wanted, not ['a']"),
        ("custom_multichannels = {a = 'b'}", "line 5: condarc.custom_multichannels: a table of lists is wanted"),
        ("channel_settings = ['a']", "line 5: condarc.channel_settings: a list of tables is wanted, not ['a']"),
        ("exclude_newer = 2026-01-01", "line 5: condarc.exclude_newer: a text, number, truth value, list or table"),
        ("env_prompt = 'a\\u0007'".replace("'", '"'), "line 5: condarc.env_prompt: texts without control characters"),
        ("channels = ['a']\nchannel = ['b']", "line 6: condarc.channel: this is channels too, as is channels"),
        ("pinned_packages = ['a']\n[pins]\nb = '1'", "line 5: condarc.pinned_packages: [pins] is this too"),
        (
            "channel_priority = 'stric'",
            "line 5: condarc.channel_priority: conda refuses it: Parameter channel_priority = 'stric' is invalid. "
            "'stric' is not a valid ChannelPriority Valid choices for channel_priority: 'strict', "
            "'flexible', 'disabled'",
        ),
    ],
)
def test_what_conda_would_refuse_is_said_before_anything_is_written(root: Path, line: str, said: str) -> None:
    with pytest.raises(SiteFileInvalid) as caught:
        configured(root, f"[condarc]\n{line}\n")
    (problem,) = caught.value.problems
    assert str(problem).startswith(said)
    assert {path.name for path in root.iterdir()} == {"bin", "conda-meta"}


def test_every_mistake_at_once(root: Path) -> None:
    with pytest.raises(SiteFileInvalid) as caught:
        configured(root, '[condarc]\nsafety_checks = "x"\nchannels = 1\nchannel_priority = "y"\nnonsense = 1\n')
    assert [(p.line, p.key) for p in caught.value.problems] == [
        (5, "condarc.safety_checks"), (6, "condarc.channels"), (7, "condarc.channel_priority"), (8, "condarc.nonsense")
    ]  # fmt: skip


def test_settings_that_conda_has_and_does_not_describe(root: Path, conda: Conda) -> None:
    configured(root, '[condarc]\ndefault_python = "3.11"\nplugins = { x = 1 }\n')
    assert 'default_python: "3.11"' in (root / ".condarc").read_text()


def test_an_alias_is_written_under_its_name_and_replaces_the_other(root: Path, conda: Conda) -> None:
    (root / ".condarc").write_text("channel: [old]\n")
    configured(root, '[condarc]\nchannel = ["new"]\nyes = true\n')
    assert read_back(conda, root / ".condarc") == {"channels": ["new"], "always_yes": True}
    configured(root, "[condarc]\nyes = true\n")
    assert (root / ".condarc").read_text() == "always_yes: true\n"


def test_a_conda_that_does_not_work_is_no_judge(root: Path) -> None:
    (root / "bin/conda").unlink()
    (root / "bin/conda").write_text("#!/bin/sh\necho broken >&2; exit 1\n")
    (root / "bin/conda").chmod(0o755)
    plan = configured(root, "[condarc]\nnonsense = 1\n")
    assert plan.unvalidated.endswith("config --describe --json: broken")
    assert (root / ".condarc").read_text() == "nonsense: 1\n"


# pins -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    directory = tmp_path / "channel"
    for version in ("1.0", "2.0"):
        file = PackageFile("share/tool.txt", version.encode())
        write_package(Package("tool", version, files=(file,)), directory)
    index_channel(directory)
    return directory


def made(conda: Conda, channel: Path, condarc: Path, prefix: Path, command: str = "create") -> str:
    words = [command, "--yes", "--quiet", "--prefix", str(prefix), "--channel", channel.as_uri(), "--override-channels"]
    environment = conda.environment | {"CONDARC": str(condarc), "CONDA_PKGS_DIRS": str(channel.parent / "pkgs")}
    done = subprocess.run(
        [str(conda.root / "bin/conda"), *words, "tool"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return (prefix / "share/tool.txt").read_text()


def test_pins_of_the_condarc_bind_environments_elsewhere(root: Path, conda: Conda, channel: Path) -> None:
    configured(root, '[pins]\ntool = "<2"\n')
    free, none = root.parent / "free", root.parent / "none"
    none.touch()
    assert made(conda, channel, none, free) == "2.0"
    assert made(conda, channel, root / ".condarc", root.parent / "bound") == "1.0"


def test_pins_in_the_roots_own_file_bind_nobody_else(root: Path, conda: Conda, channel: Path) -> None:
    (root / "conda-meta/pinned").write_text("tool <2\n")
    none = root.parent / "none"
    none.touch()
    assert made(conda, channel, none, root.parent / "free") == "2.0"


def test_pins_of_a_site_environment_bind_it_and_agree_with_those_of_the_condarc(
    root: Path, conda: Conda, channel: Path
) -> None:
    none, prefix = root.parent / "none", root / "envs/e"
    none.touch()
    text = '[pins]\ntool = "<2"\n[[environments]]\nname = "e"\nmodule = "e/1"\n'
    configured(root, text)
    made(conda, channel, root / ".condarc", prefix)
    plan = configured(root, text)
    assert [change.action for change in plan.changes] == ["pinned"]
    assert made(conda, channel, none, prefix, "update") == "1.0"
    assert made(conda, channel, root / ".condarc", prefix, "update") == "1.0"
    configured(root, text.replace('[pins]\ntool = "<2"\n', ""))
    assert not (prefix / "conda-meta/pinned").exists()
    assert made(conda, channel, none, prefix, "update") == "2.0"


# our reading against conda's ------------------------------------------------------------------------------------

READ = """
import json, sys
from ruamel.yaml import YAML
print(json.dumps([YAML(typ="rt").load(text) for text in json.load(sys.stdin)]))
"""


def test_our_reading_is_that_of_condas_yaml(conda: Conda) -> None:
    texts: list[str] = [TEXT]

    @settings(max_examples=150, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(keys, trees, max_size=4), st.dictionaries(keys, trees, max_size=4))
    def collect(before: dict[str, Any], wanted: dict[str, Any]) -> None:
        texts.extend((edit("# x\n", before, ()), edit(edit(TEXT, before, ()), wanted, ())))

    collect()
    theirs = json.loads(conda.python(READ, json.dumps(texts)))
    for text, read in zip(texts, theirs, strict=True):
        ours = {entry.key: entry.value for entry in read_entries(text) if entry.odd is None}
        assert ours == {key: value for key, value in (read or {}).items() if key in ours}, text
        assert (read or {}).keys() - ours.keys() <= {"env_prompt"}


FORMS = [
    "a: b", "a: 'b # c'", 'a: "b\\u00e9"', "a: b#c", "a: b #c", "a: 012", "a: 0x1F", "a: 1_000", "a: 1e3", "a: .5",
    "a: +1", "a: [x, 'y, z', {k: v}, ]", "a: {x: , y}", "a: [http://h:80/x, b c]", "a: [a#b, 'c' ]",
    "a: {a: [1, 2], b: }", "a: -1", "a: - ", "a: http://u:p@h/#f", "a:\n- - 1\n  - 2\n- x: 1\n  y:\n  - 2",
    "a:\n    - 1\n    # c\n    - 2\nb: 1", "'a b': 1", '"a": 1', "a : 1", "a: yes", "a: ~", "a: null # x",
    "a:\n  b:\n    c: d\n  e: f", "a-b.c: 1", "a: x:y", "a: 1:30", "a: 2026-01-01", "a: 1.", "a: .", "a: NO",
    "a: {\n  b: 1, # x\n  c: 2\n}", "a: [\n1,\n2\n ]", "a: ''", "a: 'it''s'", "a: {http://h: x}", "a: ?x", "a: x - y",
    "a: []", "a: {}", "http://h: 1",
]  # fmt: skip


LENIENT = """
def load(text):
    try:
        return json.loads(json.dumps(YAML(typ="rt").load(text), default=str))
    except Exception as exc:
        return repr(exc)
"""


def test_forms_that_people_write(conda: Conda) -> None:
    script = READ.replace('YAML(typ="rt").load(text)', "load(text)").replace("print", f"{LENIENT}print", 1)
    theirs = json.loads(conda.python(script, json.dumps(FORMS)))
    understood = 0
    for text, read in zip(FORMS, theirs, strict=True):
        try:
            entries = read_entries(text + "\n")
        except Exception:
            continue
        if not any(entry.odd for entry in entries):
            understood += 1
            if not isinstance(read, dict):  # conda fails on it
                continue
            assert {entry.key: str(entry.value) for entry in entries} == {k: str(v) for k, v in read.items()}, text
    assert understood > 0.8 * len(FORMS)
