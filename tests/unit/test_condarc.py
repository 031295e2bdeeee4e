"""The text of a `.condarc`: what is not ours stays to the byte, what is ours reads back as it was meant."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from userconda.condarc import NotPlain, edit, read_entries, render, same

TEXT = """\
# the site's
channels:   # ours
  - conda-forge  # first
  # over there
  - https://x.org/b
default_threads: 4 # four
custom_channels: {a: "http://b", c: [1, 2]}   # flow

proxy_servers:
  http: http://u:p@h:80
  'https://q': x
channel_settings:
- channel: a
  auth: b
-
  channel: z
list: [a,
  b, # two
]
env_prompt: |
  # no comment
  ({name})
always_yes: yes
# end"""


def values(text: str) -> dict[str, Any]:
    return {entry.key: entry.value for entry in read_entries(text) if entry.odd is None}


def test_what_is_read() -> None:
    assert values(TEXT) == {
        "channels": ["conda-forge", "https://x.org/b"],
        "default_threads": 4,
        "custom_channels": {"a": "http://b", "c": [1, 2]},
        "proxy_servers": {"http": "http://u:p@h:80", "https://q": "x"},
        "channel_settings": [{"channel": "a", "auth": "b"}, {"channel": "z"}],
        "list": ["a", "b"],
        "always_yes": "yes",
    }
    assert {e.key for e in read_entries(TEXT) if e.odd} == {"env_prompt"}
    assert values("") == {}
    assert values("---\na: 1\n") == {"a": 1}
    assert values("a:\nb: ~\nc: ''\n") == {"a": None, "b": None, "c": ""}


def test_comments_of_what_changes_stay_where_they_mean_something() -> None:
    made = edit(TEXT, {"channels": ["https://x.org/b", "new"], "default_threads": 8}, ())
    assert made == TEXT.replace(
        "  - conda-forge  # first\n  # over there\n  - https://x.org/b\n",
        "  # over there\n  - https://x.org/b\n  - new\n",
    ).replace("4 # four", "8 # four")
    assert edit("a: [1]  # why\nb: 2\n", {"a": [3]}, ()) == "a:  # why\n  - 3\nb: 2\n"
    assert edit("channels:\n- a\n- b\nb: 2\n", {"channels": ["b", "c"]}, ()) == "channels:\n- b\n- c\nb: 2\n"


def test_keys_are_added_at_the_end_and_taken_out_whole() -> None:
    assert edit(TEXT, {"new": "x"}, {"channel_settings", "list"}) == (
        TEXT[: TEXT.index("channel_settings")] + TEXT[TEXT.index("env_prompt") :] + "\nnew: x\n"
    )
    assert edit("a: 1\r\nb: 2", {"c": [True]}, {"a"}) == "b: 2\r\nc:\r\n  - true\r\n"
    assert edit("", {"a": {}}, ()) == "a: {}\n"
    assert edit("# nothing\n", {}, {"a"}) == "# nothing\n"


def test_aliases_are_one_key() -> None:
    names = {"channel": "channels"}
    text = "channel: [a]\nb: 1\nchannels: [b]\n"
    assert edit(text, {"channels": ["c"]}, (), lambda name: names.get(name, name)) == "channels:\n  - c\nb: 1\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\na: 2\n", 2),
        ("a: 1\nb\n", 2),
        ("  a: 1\n", 1),
        ("a: [1,\nb: 2]\n", 1),
        ("a: 'x\nb: 2'\n", 1),
        ("{a: 1}\n", 1),
        ("a: 1\n---\nb: 2\n", 2),
        ("? a\n: b\n", 1),
        ("a: 1\rb: 2\n", 1),
    ],
)
def test_what_is_not_certain_is_refused(text: str, line: int) -> None:
    with pytest.raises(NotPlain) as caught:
        edit(text, {"z": 1}, ())
    assert caught.value.line == line


@pytest.mark.parametrize(
    "value",
    ["&x 1", "*x", "!!str 1", "|\n  x", ">\n  x", "x\n  y", "[&a 1]", "{a: 1]", "x: y", '"\\q"', '"a" b', "[1 [2]]"],
)
def test_what_is_not_understood_matters_only_where_it_is_changed(value: str) -> None:
    text = f"a: {value}\nb: 1\n"
    assert edit(text, {"b": 2}, ()) == f"a: {value}\nb: 2\n"
    for wanted, removed in (({"a": 2}, ()), ({}, ("a",))):
        with pytest.raises(NotPlain):
            edit(text, wanted, removed)


@pytest.mark.parametrize(
    ("wanted", "found", "equal"),
    [
        (True, "yes", True), (True, True, True), (False, "Off", True), (True, 1, False), (4, "4", True), (4, 4, True),
        ("3.10", 3.1, False), ("3.9", 3.9, True), ("strict", "Strict", False), ("true", True, True), ("", None, True),
        (["a", 1], ["a", "1"], True), (["a"], ["a", "b"], False), (["a", "b"], ["b", "a"], False), (["a"], "a", False),
        ({"a": [True]}, {"a": ["yes"]}, True), ({"a": 1}, {"b": 1}, False), ({}, [], False), (1.5, 1.5, True),
    ],
)  # fmt: skip
def test_same(wanted: Any, found: Any, equal: bool) -> None:
    assert same(wanted, found) is equal


texts = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=12)
scalars = st.one_of(texts, st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False))
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)
keys = st.sampled_from(["channels", "custom_channels", "default_threads", "a-b", "always_yes"])


@given(st.dictionaries(keys, trees, max_size=4))
def test_what_is_written_reads_back(wanted: dict[str, Any]) -> None:
    text = edit("", wanted, ())
    assert values(text) == wanted
    assert edit(text, wanted, ()) == text
    assert edit(text, {}, wanted.keys()) == ""


@given(st.dictionaries(keys, trees), st.dictionaries(keys, trees), st.sets(keys))
def test_other_keys_stay_to_the_byte(before: dict[str, Any], wanted: dict[str, Any], removed: set[str]) -> None:
    parts = {key: [f"# about {key}", *render(key, value)] for key, value in before.items()}
    text = "".join(f"{line}\n" for lines in parts.values() for line in lines)
    made = edit(text, wanted, removed - wanted.keys())
    assert values(made) == {k: v for k, v in before.items() if k not in removed or k in wanted} | wanted
    for key, lines in parts.items():
        assert (lines[0] if key in wanted or key in removed else "\n".join(lines)) in made
