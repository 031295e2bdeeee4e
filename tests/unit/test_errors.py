"""Each error tells what happened in sentences made of its own fields, and has a code and an exit code of its own."""

import errno
import inspect
import pickle
from collections import Counter

import pytest

from userconda import errors
from userconda.errors import Interrupted, SiteFileProblem, UcenvError, UsageError

#: The ranges of the documentation: what each hundredth means.
RANGES = {
    10: {"EnvironmentNotFound", "NotAPrefix", "SourceIncomplete", "NoSystemConda"},
    20: {"TargetExists", "PrefixInUse", "SourceChanged", "LockTimeout", "UnsafeName"},
    30: {"NotEnoughSpace", "NotEnoughInodes", "QuotaExceeded", "TooDear"},
    40: {"CorruptRecord", "PlaceholderTooShort", "PathEscapesPrefix", "VerificationFailed"},
    50: {"FileOperation", "LinksRequired", "SpaceNotWritable"},
    60: {"InterruptedRun", "WorkerDied"},
    70: {"UnsupportedShell", "HookMissing", "UnquotableValue", "StartupFileRefused"},
}

#: What the user has typed or written is off.
USAGE = (UsageError, errors.SiteFileInvalid, errors.SiteKeyMissing, errors.SiteTemplateInvalid)

CLASSES = [
    cls
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if issubclass(cls, UcenvError) and cls is not UcenvError
]
EXAMPLES: dict[str, object] = {
    "str": "a-word-of-its-own",
    "int": 7,
    "bool": True,
    "int | None": 7,
    "tuple[str, ...]": ("first/path", "second/path"),
    "tuple[tuple[int, str], ...]": ((7, "some-program"), (8, "another-program")),
    "tuple[SiteFileProblem, ...]": (SiteFileProblem(3, "the.key", "a text is wanted"),),
}


def example(cls: type[UcenvError]) -> UcenvError:
    """The error with every field filled."""
    fields = {name: hint for name, hint in inspect.get_annotations(cls.__init__).items() if name != "return"}
    values = {name: f"the-{name}" if hint == "str" else EXAMPLES[hint] for name, hint in fields.items()}
    return cls(**values)


@pytest.fixture(params=CLASSES, ids=lambda cls: str(cls.__name__))
def error(request: pytest.FixtureRequest) -> UcenvError:
    return example(request.param)


def test_code_words_are_unique() -> None:
    assert [code for code, count in Counter(cls.code for cls in CLASSES).items() if count > 1] == []


def test_exit_codes_are_unique_but_for_usage() -> None:
    codes = Counter(cls.exit_code for cls in CLASSES if not issubclass(cls, USAGE))
    assert [code for code, count in codes.items() if count > 1] == []
    assert UsageError.exit_code == errors.ConfigError.exit_code == 2


def test_an_exit_code_is_in_the_range_of_its_cause() -> None:
    expected = {name: start for start, names in RANGES.items() for name in names}
    found = {cls.__name__: cls.exit_code // 10 * 10 for cls in CLASSES if not issubclass(cls, USAGE)}
    assert {name: start for name, start in found.items() if expected.get(name, start) != start} == {}
    assert expected.keys() <= found.keys()
    assert set(found.values()) <= RANGES.keys()


def test_a_code_is_a_word_for_machines(error: UcenvError) -> None:
    assert error.code.replace("_", "").isalpha()
    assert error.code == error.code.lower()


def test_a_message_is_a_sentence_of_the_errors_own(error: UcenvError) -> None:
    assert str(error) == error.message
    assert error.message != UcenvError().message
    assert len(error.message) > 5
    assert error.message[0] != " "
    assert not error.message.endswith((".", " ", ":"))


def test_a_message_holds_every_word_it_was_given(error: UcenvError) -> None:
    told = " ".join([error.message, *error.hints])
    words = [value for value in vars(error).values() if isinstance(value, str)]
    assert [word for word in words if word not in told] == []


def test_an_error_says_what_to_do_next(error: UcenvError) -> None:
    assert error.hints
    assert [hint for hint in error.hints if len(hint) < 6 or hint.endswith(".")] == []


def test_an_error_crosses_between_processes(error: UcenvError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert (back.message, back.hints, vars(back)) == (error.message, error.hints, vars(error))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: str(cls.__name__))
def test_a_message_is_fit_for_a_terminal(cls: type[UcenvError]) -> None:
    error = example(cls)
    for name, value in vars(error).items():
        if name in ("path", "prefix", "source", "record"):
            assert isinstance(value, str)
            setattr(error, name, "/x/\x1b[31m\udcff\ud800")
    error.message.encode()
    assert "\x1b" not in error.message


def test_a_file_operation_tells_the_systems_answer() -> None:
    assert errors.FileOperation("link", "a/b", errno.EROFS).message == "link of a/b failed: Read-only file system"


@pytest.mark.parametrize(("count", "last"), [(20, "  path-19"), (21, "  and 1 more"), (2020, "  and 2,000 more")])
def test_a_long_listing_is_cut(count: int, last: str) -> None:
    message = errors.SourceChanged("/opt/a", tuple(f"path-{number}" for number in range(count))).message
    assert message.splitlines()[-1] == last
    assert len(message.splitlines()) == min(count, 21) + 1


def test_free_space_may_be_unknown() -> None:
    assert (
        errors.NotEnoughSpace("/s", 2_000_000, None).message == "/s: 2.0 MB needed, an unknown amount is left (space)"
    )


def test_an_interruption_is_no_exception_that_a_handler_would_hold_up() -> None:
    assert not issubclass(Interrupted, Exception)
    assert Interrupted.exit_code == 130
    assert pickle.loads(pickle.dumps(Interrupted(15))).signal_number == 15
