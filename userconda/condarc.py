"""The text of a `.condarc`: its top-level keys read, replaced and taken out; every other byte stays as it is.

It reads the YAML that conda and people write there. What it does not understand (anchors, tags, texts over several
lines) it says so of rather than guess, and only where it matters: a key that is not to be changed may hold anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_QUOTED: Final = r'"(?:[^"\\]|\\.)*"|' + r"'(?:[^']|'')*'"
_PLAIN_KEY: Final = r"(?![-?:](?:\s|$))[^\s\[\]{},#&*!|>'\"%@`](?:[^:#\r\n]|:(?=\S)|(?<=\S)#)*?"
_KEY: Final = re.compile(rf"(?P<key>{_QUOTED}|{_PLAIN_KEY})[ \t]*:(?=[ \t\r\n]|$)")
_TRIVIA: Final = re.compile(r"[ \t]*(?:#.*)?\r?\n?\Z")
_QUOTED_VALUE: Final = re.compile(_QUOTED)
_FLOW_PLAIN: Final = re.compile(r"(?:[^\s,\[\]{}:#]|:(?=[^\s,\[\]{}])|(?<=\S)#|[ \t]+(?=[^\s,\[\]{}:#]))+")
_INTEGER: Final = re.compile(r"[-+]?[0-9][0-9_]*|0o[0-7]+|0x[0-9A-Fa-f]+")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?")
#: Stands without quotes, and is a text for YAML 1.1 and 1.2 if it is none of the words and numbers below.
_PLAIN: Final = re.compile(r"[A-Za-z/$.](?:[A-Za-z0-9_/$.+=@%~*<>!|(){}-]|:(?=[A-Za-z0-9_/]))*")
_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null", "~", ".inf", ".nan"})


class NotPlain(Exception):
    """A part of the text that is not understood.

    Attributes:
        line: from 1.
        open_end: a bracket or quote without its end: then it is not known where a value ends, either.
    """

    def __init__(self, line: int, reason: str, *, open_end: bool = False) -> None:
        super().__init__(line, reason)
        self.line, self.reason, self.open_end = line, reason, open_end


@dataclass(frozen=True, slots=True)
class Entry:
    """One top-level key.

    Attributes:
        start, end: its lines, counted from 0; comments after its value are not of it.
        comment: what stands behind key or value in the first line, blanks included.
    """

    key: str
    start: int
    end: int
    value: Any = None
    comment: str = ""
    odd: NotPlain | None = None


def read_entries(text: str) -> list[Entry]:
    """
    Raises:
        NotPlain: it is not certain what the keys are, or conda itself could not read it.
    """
    lines = _lines(text)
    spans: list[tuple[str, int, int]] = []
    for number, line in enumerate(lines):
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        if line[0] in " \t" or bare == "-" or bare.startswith(("- ", "]", "}")):
            if not spans:
                raise NotPlain(number + 1, "a key is wanted here, at the beginning of the line")
            spans[-1] = (*spans[-1][:2], number + 1)
        elif match := _KEY.match(line):
            spans.append((str(_quoted(match["key"], number + 1)), number, number + 1))
        elif spans or not re.fullmatch(r"---(?:[ \t]+#.*)?", bare):
            raise NotPlain(number + 1, "this is no key with a value")
    entries: list[Entry] = []
    for key, start, end in spans:
        if key in {entry.key for entry in entries}:
            raise NotPlain(start + 1, f"{key} is there twice; conda cannot read that")
        entries.append(_entry(lines, key, start, end))
    return entries


def _lines(text: str) -> list[str]:
    if lone := re.search(r"\r(?!\n)", text):
        raise NotPlain(text.count("\n", 0, lone.start()) + 1, "a carriage return within a line")
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _entry(lines: list[str], key: str, start: int, end: int) -> Entry:
    values = _Values(lines, start, end)
    try:
        value = values.mapping(0)[key]
        if values.rest:
            raise NotPlain(values.rest[0][0], "this is neither within the value nor a key")
        return Entry(key, start, end, value, values.comment)
    except NotPlain as exc:
        if exc.open_end:
            raise
        return Entry(key, start, end, odd=exc)


class _Values:
    """The lines of one entry that are taken as values, from the first to the last."""

    def __init__(self, lines: list[str], start: int, end: int) -> None:
        self.comment = ""
        self.first = start + 1
        self.rest = [
            (number + 1, len(line) - len(line.lstrip(" ")), line.strip())
            for number, line in enumerate(lines[start:end], start)
            if not _TRIVIA.match(line)
        ]

    def node(self, indent: int, number: int) -> Any:
        """What stands in the next lines, if they are indented so far at least."""
        if not self.rest or self.rest[0][1] < indent:
            return None
        _, indent, content = self.rest[0]
        if content == "-" or content.startswith("- "):
            return self.sequence(indent)
        if _KEY.match(content):
            return self.mapping(indent)
        number, _, content = self.rest.pop(0)
        return self.inline(content, number, indent - 1)

    def mapping(self, indent: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        while self.rest and self.rest[0][1] == indent and (match := _KEY.match(self.rest[0][2])):
            number, _, content = self.rest.pop(0)
            key, value = str(_quoted(match["key"], number)), content[match.end() :].strip()
            if key in made:
                raise NotPlain(number, f"{key} is there twice")
            if value and not value.startswith("#"):
                made[key] = self.inline(value, number, indent)
                continue
            if number == self.first:
                self.comment = content[match.end() :].rstrip()
            # A list may stand as far left as its key.
            is_list = self.rest and self.rest[0][1] == indent and re.match(r"-(?: |$)", self.rest[0][2])
            made[key] = self.node(indent if is_list else indent + 1, number)
        return made

    def sequence(self, indent: int) -> list[Any]:
        made = []
        while self.rest and self.rest[0][1] == indent and re.match(r"-(?: |$)", self.rest[0][2]):
            number, _, content = self.rest.pop(0)
            value = content[1:].strip()
            if not value or value.startswith("#"):
                made.append(self.node(indent + 1, number))
            else:
                self.rest.insert(0, (number, indent + content.index(value, 1), value))
                made.append(self.node(indent + 1, number))
        return made

    def inline(self, text: str, number: int, indent: int) -> Any:
        """A value that begins in a line: a plain or quoted text, or one in brackets, which may go on in the next."""
        if text[0] in "&*!|>%@`":
            raise NotPlain(number, "anchors, tags and texts over several lines are not read here")
        if text[0] in "[{":
            return self.flow(text, number)
        if text[0] in "\"'":
            match = _QUOTED_VALUE.match(text)
            if match is None:
                raise NotPlain(number, "a quote without its end in the same line", open_end=True)
            value, after = _quoted(match[0], number), text[match.end() :]
        else:
            comment = re.search(r"\s+#", text)
            after = text[comment.start() :] if comment else ""
            if re.search(r":(?:\s|$)", text[: len(text) - len(after)]):
                raise NotPlain(number, "a second colon in one line")
            value = _resolved(text[: len(text) - len(after)])
        self.end_of_line(after, number)
        if self.rest and self.rest[0][1] > indent:
            raise NotPlain(self.rest[0][0], "texts over several lines are not read here")
        return value

    def flow(self, text: str, number: int) -> Any:
        whole = "\n".join([text, *(content for _, _, content in self.rest)])
        value, position = _flow(whole, 0, number)
        consumed = whole.count("\n", 0, position)
        del self.rest[:consumed]
        self.end_of_line(whole[position:].split("\n")[0], number)
        return value

    def end_of_line(self, after: str, number: int) -> None:
        if not _TRIVIA.match(after):
            raise NotPlain(number, "this is more than one value")
        if number == self.first:
            self.comment = after.rstrip()


def _flow(text: str, position: int, number: int) -> tuple[Any, int]:
    """A value within brackets, or the brackets themselves, and where it ends."""
    opening = text[position]
    if opening in "\"'":
        match = _QUOTED_VALUE.match(text, position)
        if match is None:
            raise NotPlain(number, "a quote without its end", open_end=True)
        return _quoted(match[0], number), match.end()
    if opening not in "[{":
        match = _FLOW_PLAIN.match(text, position)
        if match is None or opening in "&*!|>%@`":
            raise NotPlain(number, "anchors, tags and the like are not read here")
        return _resolved(match[0].strip()), match.end()
    made: list[Any] = []
    names: list[Any] = []
    position = _skip(text, position + 1, number)
    while text[position] not in "]}":
        value, position = _flow(text, position, number)
        position = _skip(text, position, number)
        if opening == "{":
            names.append(str(value))
            value = None
            if text[position] == ":":
                position = _skip(text, position + 1, number)
                if text[position] not in ",}":
                    value, position = _flow(text, position, number)
                    position = _skip(text, position, number)
        made.append(value)
        if text[position] == ",":
            position = _skip(text, position + 1, number)
        elif text[position] not in "]}":
            raise NotPlain(number, "a comma is missing between brackets")
    if (opening == "[") != (text[position] == "]"):
        raise NotPlain(number, "brackets of two kinds")
    return (made if opening == "[" else dict(zip(names, made, strict=True))), position + 1


def _skip(text: str, position: int, number: int) -> int:
    """Past blanks, line ends and comments."""
    match = re.compile(r"(?:\s+(?:#[^\n]*)?)*").match(text, position)
    position = match.end() if match else position
    if position >= len(text):
        raise NotPlain(number, "a bracket without its end", open_end=True)
    return position


def _quoted(text: str, number: int) -> Any:
    """A text without the quotes around it."""
    if text[0] == "'":
        return text[1:-1].replace("''", "'")
    if text[0] != '"':
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise NotPlain(number, "an escape that is not read here") from None


def _resolved(text: str) -> Any:
    """What YAML 1.2 takes a plain text for."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text[0] in "tT"
    if _INTEGER.fullmatch(text):
        return int(text.replace("_", ""), 0 if text[1:2] in ("o", "x") else 10)
    return float(text.replace("_", "")) if _FLOAT.fullmatch(text) else text


def same(wanted: Any, found: Any) -> bool:
    """Whether conda takes both for one value: it makes of `yes` true and of "4" 4 where that is wanted."""
    if isinstance(wanted, Mapping):
        is_same = isinstance(found, Mapping) and wanted.keys() == found.keys()
        return is_same and all(same(wanted[key], found[key]) for key in wanted)
    if isinstance(wanted, (list, tuple)):
        return isinstance(found, (list, tuple)) and len(wanted) == len(found) and all(map(same, wanted, found))
    if isinstance(found, (Mapping, list, tuple)):
        return False
    if isinstance(wanted, bool):
        return _word(found) in (("true", "yes", "on", "y") if wanted else ("false", "no", "off", "n"))
    return _word(wanted) == _word(found) if not isinstance(wanted, str) else wanted == _text(found)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _word(value: Any) -> str:
    return _text(value).lower()


# writing --------------------------------------------------------------------------------------------------------


def render(key: str, value: Any) -> list[str]:
    """The lines of a top-level key, without line ends: as conda writes them."""
    return list(_rendered(f"{_scalar(key)}:", value, ""))


def _rendered(head: str, value: Any, indent: str) -> Iterator[str]:
    """`head` is what stands before the value in its line."""
    if isinstance(value, Mapping) and value:
        yield head
        for name, item in value.items():
            yield from _rendered(f"{indent}  {_scalar(name)}:", item, f"{indent}  ")
    elif isinstance(value, (list, tuple)) and value:
        yield head
        for item in value:
            yield from _item(item, f"{indent}  ")
    else:
        yield f"{head} {_scalar(value)}"


def _item(value: Any, indent: str) -> Iterator[str]:
    if not isinstance(value, (Mapping, list, tuple)) or not value:
        yield f"{indent}- {_scalar(value)}"
        return
    lines = list(_rendered("", value, f"{indent}"))[1:]
    # The first name, or dash, comes behind the dash.
    yield f"{indent}- {lines[0].strip()}"
    yield from lines[1:]


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS and isinstance(_resolved(value), str)
        return value if plain and not set(value) & set("{}") else json.dumps(value, ensure_ascii=False)
    return "[]" if value == () else json.dumps(value)


def edit(
    text: str, wanted: Mapping[str, Any], removed: Collection[str], canonical: Callable[[str], str] = lambda name: name
) -> str:
    """The text with these values, and without these keys.

    Args:
        canonical: the name that conda prefers for a key.

    Raises:
        NotPlain: a key that is to be changed holds what is not understood.
    """
    lines, newline = _lines(text), "\r\n" if "\r\n" in text else "\n"
    done: set[str] = set()
    made: list[str] = []
    position = 0
    for entry in read_entries(text):
        name = canonical(entry.key)
        if name not in wanted and name not in removed:
            continue
        if entry.odd:
            raise entry.odd
        made += lines[position : entry.start]
        position = entry.end
        if name in wanted and name not in done:
            made += [line + newline for line in _replaced(lines[entry.start : entry.end], entry, name, wanted[name])]
            done.add(name)
    made += lines[position:]
    if made and not made[-1].endswith("\n") and wanted.keys() - done:
        made[-1] += newline
    made += [line + newline for name in wanted if name not in done for line in render(name, wanted[name])]
    return "".join(made)


def _replaced(lines: list[str], entry: Entry, name: str, value: Any) -> list[str]:
    """The new lines of a key: the comment in its first stays, and those of the items of a list that stay."""
    first, *more = render(name, value)
    items = _items(lines[1:])
    were = entry.value if isinstance(entry.value, list) else []
    if items and more and isinstance(value, (list, tuple)) and len(items) == len(were):
        start = " " * (len(items[0][-1]) - len(items[0][-1].lstrip(" ")))
        known = list(zip(were, items, strict=True))
        more = []
        for wanted in value:
            found = next((pair for pair in known if same(wanted, pair[0])), None)
            if found:
                known.remove(found)
            more += found[1] if found else [start + line[2:] for line in _item(wanted, "  ")]
    return [first + entry.comment, *more]


def _items(lines: list[str]) -> list[list[str]]:
    """The lines of each item of a block list of plain values, with the comments above it; empty if it is none."""
    items: list[list[str]] = [[]]
    for line in lines:
        items[-1].append(line.rstrip("\r\n"))
        if not _TRIVIA.match(line):
            if not line.lstrip(" ").startswith("- "):
                return []
            items.append([])
    return items[:-1]
