"""`site.toml`: what is taken, and what is said of every mistake."""

from __future__ import annotations

import pytest

from userconda.errors import SiteFileInvalid
from userconda.site.definition import Site, fill_package_module, parse_site
from userconda.site.template import site_file_text

EXAMPLE = """\
[conda]
root = "/scratch/apps/conda/4.8.3"
version = "4.8.3"

[condarc]
default_threads = 4
channels = ["https://example.org/wmlce", "defaults"]

[pins]
cudatoolkit = "<10.3"

[user_space]
root = "$SCRATCH/conda_local"

[modules]
tree = "/scratch/apps/modulefiles"
family = "python"
setenv = { IBM_POWERAI_LICENSE_ACCEPT = "yes" }
defaults = ["python3/powerai_1.7.0"]

[[environments]]
name = "py{python}_powerai_{powerai}"
module = "python{python}/powerai_{powerai}"
matrix = { python = ["3"], powerai = ["1.7.0", "1.6.2"] }
packages = [
    "python={python}",
    "powerai={powerai}",
]

[[environments]]
name = "py{python}_powerai_{powerai}"
module = "python{python}/powerai_{powerai}"
matrix = { python = ["2", "3"], powerai = ["1.6.1"] }

[[package_modules]]
package = "tensorflow"
module = "tensorflow-py{python}/{version}"
family = "package"
"""


def parse(text: str) -> Site:
    return parse_site(text, "/x/site.toml")


@pytest.mark.parametrize("word", ["conda", "mamba", "micromamba", "/opt/micromamba/bin/micromamba"])
def test_what_makes_environments(word: str) -> None:
    assert parse(EXAMPLE).program == "conda"
    assert parse(EXAMPLE.replace('"4.8.3"\n\n', f'"4.8.3"\nprogram = "{word}"\n\n')).program == word


@pytest.mark.parametrize("value", ['"bin/conda"', '"conda create"', '"-c"', "true", '""', '"/a:b"'])
def test_what_cannot_make_environments(value: str) -> None:
    said = mistakes(EXAMPLE.replace('"4.8.3"\n\n', f'"4.8.3"\nprogram = {value}\n\n'))
    assert [one for one in said if one.startswith("line 4: conda.program: ")] == said != []


def test_a_group_that_is_frozen() -> None:
    assert not any(environment.freeze for environment in parse(EXAMPLE).environments)
    site = parse(EXAMPLE.replace('matrix = { python = ["2", "3"]', 'freeze = true\nmatrix = { python = ["2", "3"]'))
    assert [environment.freeze for environment in site.environments] == [False, False, True, True]
    assert mistakes(EXAMPLE.replace('matrix = { python = ["2"', 'freeze = "yes"\nmatrix = { python = ["2"')) == [
        "line 33: environments[1].freeze: true or false is wanted, not 'yes'"
    ]


def test_one_default_for_a_name() -> None:
    text = EXAMPLE.replace('["python3/powerai_1.7.0"]', '["python3/powerai_1.7.0", "python3/powerai_1.6.2"]')
    assert mistakes(text) == ["line 19: modules.defaults: one default is wanted for 'python3', not 2"]


def mistakes(text: str) -> list[str]:
    with pytest.raises(SiteFileInvalid) as caught:
        parse(text)
    return [str(problem) for problem in caught.value.problems]


def changed(old: str, new: str) -> str:
    assert EXAMPLE.count(old) >= 1
    return EXAMPLE.replace(old, new)


def test_a_matrix_is_every_combination() -> None:
    site = parse(EXAMPLE)
    assert [(e.name, e.module) for e in site.environments] == [
        ("py3_powerai_1.7.0", "python3/powerai_1.7.0"),
        ("py3_powerai_1.6.2", "python3/powerai_1.6.2"),
        ("py2_powerai_1.6.1", "python2/powerai_1.6.1"),
        ("py3_powerai_1.6.1", "python3/powerai_1.6.1"),
    ]
    assert site.environments[0].packages == ("python=3", "powerai=1.7.0")
    assert site.environments[0].axes == {"python": "3", "powerai": "1.7.0"}
    assert site.environments[2].packages == ()
    assert (site.base_module, site.pins, site.condarc["default_threads"]) == (
        "conda/4.8.3",
        {"cudatoolkit": "<10.3"},
        4,
    )


def test_what_init_writes_can_be_read() -> None:
    found = [("py3 'x'", "py3/3.7"), ('a"b\\c', "x/1")]
    text = site_file_text('/apps/my "conda"', "24.1.0", [("py3", "py3/3.7")])
    site = parse(text)
    assert (site.root, site.version) == ('/apps/my "conda"', "24.1.0")
    assert [(e.name, e.module) for e in site.environments] == [("py3", "py3/3.7")]
    assert (
        len(mistakes(site_file_text("/apps", "1", found))) == 2
    )  # names that no module can have are said, not written
    bare = [line.removeprefix("# ") if " = " in line or line.startswith("# [[") else line for line in text.splitlines()]
    assert parse("\n".join(bare)).modules.tree == "/apps/modulefiles"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (changed('version = "4.8.3"', "version = 4.8"), ["line 3: conda.version: a name of letters"]),
        (changed('version = "4.8.3"', ""), ["line 1: conda.version: is missing"]),
        (changed("tree = ", "tre = "), ["line 16: modules.tre: there is no such key; did you mean tree?"]),
        (changed("[pins]", "[pin]"), ["line 9: pin: there is no such key; did you mean pins?"]),
        (changed('"$SCRATCH/conda_local"', '"scratch"'), ["line 13: user_space.root: an absolute path is wanted"]),
        (changed('"$SCRATCH/conda_local"', '"$(id)/x"'), ["line 13: user_space.root: an absolute path is wanted"]),
        (changed('"powerai={powerai}",', '"powerai={poweri}",'), ["line 25: environments[0].packages: {poweri} is"]),
        (changed('["2", "3"]', "[2, 3]"), ["line 33: environments[1].matrix.python: a version in quotes"]),
        (changed('["1.6.1"]', '["1.7.0"]'), [
            "line 31: environments[1].name: 'py3_powerai_1.7.0' is there already: environments[0]",
            "line 32: environments[1].module: 'python3/powerai_1.7.0' is there already: environments[0]",
        ]),
        (changed('["python3/powerai_1.7.0"]', '["python3/powerai_1.7.1"]'), [
            "line 19: modules.defaults: there is no module 'python3/powerai_1.7.1'; did you mean python3/powerai_1.7.0?"
        ]),
        (changed("IBM_POWERAI_LICENSE_ACCEPT", "PATH"), ["line 18: modules.setenv.PATH: a variable is wanted"]),
        (changed("IBM_POWERAI_LICENSE_ACCEPT", "CONDA_EXE"), ["line 18: modules.setenv.CONDA_EXE: a variable"]),
        (changed("IBM_POWERAI_LICENSE_ACCEPT", '"A;B"'), ["line 18: modules.setenv.A;B: the name of a variable"]),
        (changed('"python={python}",', '"--force",'), ["line 25: environments[0].packages: a package such as"]),
        (changed("/{version}", "/x"), ["line 37: package_modules[0].module: {version} is wanted in it"]),
        (changed("[[package_modules]]", "[package_modules]"), ["line 35: package_modules: [[package_modules]]"]),
        (changed("4.8.3\"\n\n", "4.8.3\"\nroot = 1\n"), ["line 4: this is not TOML: Cannot overwrite a value"]),
        (changed('family = "package"', "family = "), ["line 38: this is not TOML"]),
        ("", ["line 1: conda.root: is missing", "line 1: conda.version: is missing"]),
    ],
)  # fmt: skip
def test_every_mistake_is_said_with_its_line(text: str, said: list[str]) -> None:
    found = mistakes(text)
    for start in said:
        assert any(problem.startswith(start) for problem in found), found
    assert len(found) == len(said)


@pytest.mark.parametrize(
    "value",
    [
        "a//b",
        "a b",
        "",
        "-a",
        "..",
        "a\nb",
        "a;b",
        "a'b",
        'a"b',
        "a$b",
        "a`b",
        "a]b",
        "[x",
        "a{b",
        "a\\b",
        "ü",
        "a\x7fb",
        "*",
    ],
)
@pytest.mark.parametrize("key", ["version", "name", "module"])
def test_names_that_could_mean_something_else(key: str, value: str) -> None:
    quoted = '"' + "".join(c if c.isalnum() and c.isascii() else f"\\u{ord(c):04x}" for c in value) + '"'
    text = {
        "version": changed('version = "4.8.3"', f"version = {quoted}"),
        "name": EXAMPLE + f'[[environments]]\nname = {quoted}\nmodule = "x/1"\n',
        "module": EXAMPLE + f'[[environments]]\nname = "x"\nmodule = {quoted[:-1]}/1/{quoted[1:]}\n',
    }[key]
    assert len(mistakes(text)) == 1


@pytest.mark.parametrize("value", ["x/default", "x/1.lua", "x", "/x/1", "x//1", "x/", "x/../y", "x/.1"])
def test_modules_that_a_module_system_would_take_for_something_else(value: str) -> None:
    (said,) = mistakes(EXAMPLE + f'[[environments]]\nname = "x"\nmodule = "{value}"\n')
    assert said.startswith("line 41: environments[2].module: ")


@pytest.mark.parametrize("text", ["a]===]b", "a\x1bb", "a\nb", "a\x00b"])
def test_texts_that_would_lead_out_of_a_modulefile(text: str) -> None:
    quoted = "".join(f"\\u{ord(c):04x}" for c in text)
    (said,) = mistakes(changed('{ IBM_POWERAI_LICENSE_ACCEPT = "yes" }', f'{{ A = "{quoted}" }}'))
    assert said.startswith("line 18: modules.setenv.A: a text without")


def test_a_mistake_in_a_value_of_several_lines_is_where_it_begins() -> None:
    text = (
        EXAMPLE + '\n\n# why\n[[environments]]\nname = "x"\nmodule = "x/1"\n\n# more\npackages = [\n  "a",\n  3,\n]\n'
    )
    assert mistakes(text) == [
        "line 47: environments[2].packages: a text is wanted, not ['a', 3]",
    ]


def test_a_package_modules_name() -> None:
    assert fill_package_module("tf-py{python}/{version}", {"python": "3"}, "e", "2.1.0") == "tf-py3/2.1.0"
    assert fill_package_module("tf-py{python}/{version}", {}, "e", "2.1.0") is None
    assert fill_package_module("tf/{version}", {}, "e", "2!1.0") is None
