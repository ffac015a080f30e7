"""Each type an author may ask for: what is read, what is refused and how, and that it comes back as it was stored."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, Field, PositiveInt, StringConstraints

from tests.harness import soak
from treadle.errors import InvalidAnswer
from treadle.fields.types import (
    LABEL_LENGTH,
    Accept,
    Email,
    FileId,
    Json,
    LongText,
    Markdown,
    Range,
    Secret,
    Upload,
    Url,
    field,
    file_ids,
    references,
)


class Sent(NamedTuple):
    name: str
    size: int


class Size(Enum):
    SMALL = 1
    LARGE = 2


class Colour(Enum):
    RED = "red"
    DEEP_BLUE = "deep blue"


def refusal(hint, *raw, **options):
    with pytest.raises(InvalidAnswer) as caught:
        field("X", hint, **options).parse(list(raw))
    return caught.value.message


@pytest.mark.parametrize(("hint", "typed", "value"), [
    (float, "1.5", 1.5), (float, "1,234.5", 1234.5), (float, "-.5", -0.5), (float, "2", 2.0), (float, "1e3", 1000.0),
    (float, "\u22121.5", -1.5), (float, "1 000", 1000.0), (date, "2026-11-18", date(2026, 11, 18)),
    (datetime, "2026-11-18T14:05", datetime(2026, 11, 18, 14, 5)),
    (datetime, "2026-11-18 14:05:30", datetime(2026, 11, 18, 14, 5, 30)), (Path, " /tmp/a b ", Path("/tmp/a b")),
    (Url, " https://docs.example.org/?a=1#b ", "https://docs.example.org/?a=1#b"),
    (Url, "http://localhost:8000", "http://localhost:8000"), (Url, "https://[::1]/", "https://[::1]/"),
    (Email, "ann@example.org", "ann@example.org"), (Email, "a.b+c@localhost", "a.b+c@localhost"),
    (Markdown, "# A\r\n\r\nb", "# A\n\nb"), (Json, '{"a": [1, null, "ü"]}', {"a": [1, None, "ü"]}), (Json, "3", 3),
    (Secret, " s3cret ", " s3cret "), (Size, "Large", Size.LARGE), (Colour, "deep blue", Colour.DEEP_BLUE),
    (Annotated[int, Range(1, 50)], "50", 50), (Annotated[float, Range(0, 1)], "0.25", 0.25),
    (Annotated[int, Field(gt=1)] | None, "", None), (PositiveInt, "3", 3),
    (Annotated[str, StringConstraints(to_upper=True)], "ab", "AB")])
def test_each_type_reads_what_people_type(hint, typed, value):
    spec = field("X", hint)
    read = spec.parse([typed])
    assert (read, type(read)) == (value, type(value) if hint is not Secret else Secret)
    if hint is not Secret:
        assert spec.from_json(spec.to_json(read)) == value and spec.parse(spec.texts(read)) == value


@pytest.mark.parametrize(("hint", "typed", "said"), [
    (float, "1,5", "This is no number: 1,5."), (float, "1.2.3", "This is no number: 1.2.3."),
    (float, "nan", "This is no number: nan."), (float, "inf", "This is no number: inf."),
    (float, "1e999", "This number is too large: 1e999."), (float, "", "This is empty: type a number."),
    (date, "18.11.2026", "This is no date: 18.11.2026."), (date, "", "This is empty: give a date."),
    (date, "2026-02-30", "This is no date: 2026-02-30."), (datetime, "soon", "This is no date and time: soon."),
    (Url, "docs.example", "This is no full address: begin with https:// and name a host."),
    (Url, "https://", "This is no full address"), (Url, "javascript:alert(1)", "This is no full address"),
    (Url, "https://a b.org", "This is no full address"), (Url, "https://a.org:x/", "This is no full address"),
    (Url, "https://[::1", "This is no full address"), (Email, "ann@", "This is no email address: ann@."),
    (Email, "ann at example.org", "This is no email address"), (Email, "a@b..c", "This is no email address"),
    (Json, '{"a": 1,\n "b"}', "This is no JSON: expecting ':' delimiter in line 2, column 5."),
    (Json, "NaN", "This is no JSON: NaN is no number in it."), (Json, "[" * 100_000, "This JSON is nested too deeply"),
    (Json, "null", "This is null, which is no answer here."),
    (Json, "1e999", "This is no JSON: inf."), (Json, '"\\ud800"', "This text holds half a character"),
    (Path, "a\0b", "A path holds no zero byte."), (Size, "3", "3 is none of the choices."),
    (Annotated[int, Range(1, 5_000)], "9000", "9,000 is over the limit of 5,000."),
    (Annotated[int, Range(1, 50)], "0", "0 is under the limit of 1."),
    (Annotated[float, Field(gt=0, lt=1)], "1", "1.0 is not under 1.0."),
    (Annotated[int, Field(multiple_of=5)], "7", "7 is no multiple of 5."),
    (Annotated[str, Field(min_length=3)], "ab", "X is 2 characters; the least is 3."),
    (Annotated[str, Field(max_length=3)], "abcd", "X is 4 characters; the limit is 3."),
    (Annotated[str, Field(pattern="^[a-z]+$")], "A1", "A1 does not have the form that is asked for: ^[a-z]+$."),
    (Annotated[date, Field(lt=date(2020, 1, 1))], "2999-01-01", "2999-01-01 is not under 2020-01-01.")])
def test_what_is_refused_is_said_in_a_whole_sentence(hint, typed, said):
    assert refusal(hint, typed).startswith(said)


def test_the_words_of_an_authors_own_validator_are_theirs():
    def even(value: int) -> int:
        if value % 2:
            raise ValueError("Only even numbers, in pairs.")
        return value

    assert refusal(Annotated[int, AfterValidator(even)], "3") == "Only even numbers, in pairs."


def test_a_time_with_a_zone_becomes_that_of_this_computers_clock():
    value = field("X", datetime).parse(["2026-11-18T14:05:00Z"])
    assert value.tzinfo is None
    assert value.astimezone(UTC) == datetime(2026, 11, 18, 14, 5, tzinfo=UTC)


def test_several_are_chosen_in_a_list_and_none_is_a_list_too():
    spec = field("X", list[Literal["a", "b", 3]])
    assert spec.parse(["3", "a", "3"]) == ["a", 3] and spec.parse([]) == []
    assert (spec.kind, spec.optional, spec.text(["a", 3])) == ("choices", True, "a, 3")
    assert field("X", list[Size]).to_json([Size.LARGE]) == "[2]"
    assert field("X", list[Size]).from_json("[2, 1]") == [Size.SMALL, Size.LARGE]
    assert field("X", list[Size]).proposal("[2, 9]") == [Size.LARGE]
    assert refusal(Annotated[list[Literal["a", "b"]], Field(min_length=1)]) == "Nothing is chosen: choose at least one."
    assert refusal(Annotated[list[Literal["a", "b"]], Field(min_length=2)], "a") == "1 chosen; choose at least 2."
    assert refusal(list[Literal["a"]], "b") == "b is none of the choices."


def test_an_enum_is_stored_and_answered_by_value_and_shown_by_its_words():
    assert field("X", Size).options == ("Small", "Large") and field("X", Colour).options == ("red", "deep blue")
    assert field("X", Size).to_json(Size.LARGE) == "2" and field("X", Size).text(Size.LARGE) == "Large"
    assert field("X", Size).json_schema() == {"title": "X", "enum": [1, 2]}


def test_a_secret_is_stored_by_its_id_alone_and_never_shown():
    spec, kept = field("X", Secret), {}

    def keep(text: str) -> str:
        kept["secret-1"] = text
        return "secret-1"

    value = spec.parse(["hunter2"])
    assert "hunter2" not in repr(value) and f"{value}" == "hunter2" and spec.text(value) == "Kept"
    stored = spec.to_json(value, keep=keep)
    assert "hunter2" not in stored and references([stored]) == ["secret-1"] and file_ids([stored]) == []
    back = spec.from_json(stored, open_file=lambda id: Secret(kept[id]))
    assert back == "hunter2" and isinstance(back, Secret)
    assert "hunter2" not in json.dumps(spec.json_schema())


def test_json_that_looks_like_a_file_or_a_secret_is_neither():
    for text in ('{"file": "0123"}', '{"secret": "secret-1"}', '{"form": {"a": {"file": "0123"}}}'):
        stored = field("X", Json).to_json(json.loads(text))
        assert references([stored]) == [] and field("X", Json).from_json(stored) == json.loads(text)
        with pytest.raises(InvalidAnswer):
            field("X", Secret).from_json(stored)


def test_which_files_are_taken_is_marked():
    spec = field("X", Annotated[Upload, Accept(".CSV", ".gz", max_mb=50)])
    assert (spec.kind, spec.accept, spec.max_mb) == ("upload", (".csv", ".gz"), 50)
    assert field("X", Annotated[Upload, Accept(".csv")] | None).parse([]) is None
    for name, size, said in (("a.pdf", 1, r"a\.pdf is no \.csv or \.gz\."),
                             ("a.csv", 50_000_001, "the limit of 50 MB")):
        with pytest.raises(InvalidAnswer, match=said):  # however it came: over HTTP, from the command line
            spec.parse([FileId("f1")], open_file=lambda id, each=(name, size): Sent(*each))
    assert spec.parse([FileId("f1")], open_file=lambda id: Sent("A.CSV.gz", 5)).size == 5
    with pytest.raises(TypeError, match=r"Accept takes endings such as '\.csv', not 'csv'"):
        Accept("csv")
    with pytest.raises(TypeError, match="max_mb= of Accept is above 0"):
        Accept(max_mb=0)


@pytest.mark.parametrize(("hint", "said"), [
    (Annotated[str, Range(1, 2)], "Range is for int and float, not for"),
    (Annotated[int, Accept(".a")], "Accept is for Upload, not for"), (list[int], "is no type to ask for"),
    (Enum("Empty", []), "is no type to ask for"), (dict[str, int], "is no type to ask for")])
def test_a_mark_in_the_wrong_place_is_an_error_of_the_author(hint, said):
    with pytest.raises(TypeError, match=said):
        field("X", hint)


def test_a_label_that_is_a_page_long_is_refused_with_the_limit():
    with pytest.raises(TypeError, match=r"is 5,000 characters; the limit is 200\. Put the rest into help=\."):
        field("x" * 5_000, str)
    assert field("x" * LABEL_LENGTH, str).label


def test_half_a_character_is_repeated_in_no_sentence():
    for hint in (int, float, date, Url, Email, Literal["a"], Size, Json, Path):
        with pytest.raises(InvalidAnswer) as caught:
            field("X", hint).parse(["\ud800x\0" if hint is Path else "\ud800x"])
        caught.value.message.encode()


def test_the_schema_says_what_the_checks_ask_for():
    schema = field("X", Annotated[int, Range(1, 50)], default=5, help="How many.").json_schema()
    assert schema == {"title": "X", "description": "How many.", "type": "integer", "minimum": 1, "maximum": 50,
                      "default": 5}
    assert field("X", date | None).json_schema()["anyOf"][1] == {"type": "null"}
    assert field("X", str, max_length=5).json_schema() == {"title": "X", "type": "string", "maxLength": 5}
    assert field("X", Annotated[str, Field(pattern="^a")]).json_schema()["pattern"] == "^a"


def test_a_typed_text_is_never_a_file_for_any_type():
    for hint in (str, float, date, Url, Email, Json, Markdown, Path, Secret, LongText):
        assert refusal(hint, FileId("0123")) == "This is a file; type the answer."


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text.strip())
ANY_JSON = st.recursive(st.none() | st.booleans() | st.integers(-10**15, 10**15) | TEXTS
                        | st.floats(allow_nan=False, allow_infinity=False),
                        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
                        max_leaves=8)
VALUES = st.one_of(
    st.tuples(st.just(float | None), st.none() | st.floats(allow_nan=False, allow_infinity=False)),
    st.tuples(st.just(date), st.dates()), st.tuples(st.just(datetime), st.datetimes()),
    st.tuples(st.just(Size | None), st.none() | st.sampled_from(Size)),
    st.tuples(st.just(Json), ANY_JSON.filter(lambda value: value is not None)),
    st.tuples(st.just(list[Size]), st.sampled_from([[], [Size.SMALL], [Size.LARGE], [*Size]])),
    st.tuples(st.just(Path), TEXTS.filter(lambda text: "\0" not in text).map(Path)),
    st.tuples(st.just(Markdown), TEXTS), st.tuples(st.just(Annotated[int, Range(-5, 5)]), st.integers(-5, 5)))


@settings(max_examples=soak(60, 2_000), deadline=None)
@given(VALUES)
def test_what_is_stored_comes_back_as_it_was_for_every_type(case):
    hint, value = case
    spec = field("X", hint)
    stored = spec.to_json(value)
    back = spec.from_json(stored)
    assert (back, type(back)) == (value, type(value)) and spec.to_json(back) == stored


@settings(max_examples=soak(60, 2_000), deadline=None)
@given(VALUES)
def test_what_a_field_shows_is_read_as_the_value_it_shows(case):
    hint, value = case
    spec = field("X", hint)
    if hint in (Path, Markdown):
        return  # what is typed is trimmed
    assert spec.parse(spec.texts(value)) == value


@settings(max_examples=soak(60, 2_000), deadline=None)
@given(st.text(max_size=40), st.sampled_from([int, float, date, datetime, Url, Email, Json, Path, Size, list[Size],
                                              Annotated[int, Range(1, 9)]]))
def test_whatever_is_typed_is_read_or_refused_in_words(typed, hint):
    spec = field("X", hint)
    try:
        value = spec.parse([typed])
    except InvalidAnswer as refused:
        assert refused.message.endswith((".", "?")) or "empty" in refused.message or "chosen" in refused.message
        refused.message.encode()
    else:
        assert spec.from_json(spec.to_json(value)) == value


def test_a_text_beside_a_field_that_cannot_be_shown_is_an_error_of_the_author():
    for more in ({"help": "half \ud83d"}, {"placeholder": "half \ud83d"}):
        with pytest.raises(TypeError, match="holds half a character"):
            field("X", str, **more)


def test_pydantic_is_imported_before_a_replay_begins_and_only_where_it_will_be_needed():
    code = """
import asyncio, sys
from treadle.replay import replay
from treadle.workflow import workflow

async def plain(ui):
    await ui.ask("A", str)

async def forms(ui):
    assert "pydantic.dataclasses" in sys.modules
    await ui.ask("A", str)
    ui.form

async def main():
    for flow in (plain, forms):
        drawing = await replay(workflow(flow.__name__, message="m")(flow), [], open_file=None)
        assert drawing.error is None, drawing.error
        print("pydantic" in sys.modules)

asyncio.run(main())
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", "True"]
