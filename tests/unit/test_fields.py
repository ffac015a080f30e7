from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness import soak
from treadle.errors import InvalidAnswer, NotFound
from treadle.fields.types import WHOLE_LIMIT, FileId, LongText, Upload, field, file_ids


def refusal(spec, *raw):
    with pytest.raises(InvalidAnswer) as caught:
        spec.parse(list(raw))
    assert caught.value.field == "value"
    return caught.value.message


def test_each_supported_hint_has_its_kind_of_field():
    kinds = {str: "text", LongText: "long_text", int: "whole_number", bool: "yes_no", Upload: "upload",
             Literal["a", "b"]: "choice"}
    assert {hint: field("X", hint).kind for hint in kinds} == kinds
    assert all(not field("X", hint).optional for hint in kinds)


def test_none_or_a_default_makes_an_answer_optional():
    assert field("X", str | None).optional
    assert field("X", str, default="a").optional
    assert field("X", str | None).parse([""]) is None
    assert field("X", str, default="a").parse([""]) == "a"
    assert field("X", str, default="").parse([""]) == ""
    assert field("X", int, default=0).parse([""]) == 0
    assert field("X", str | None, default="a").parse([""]) is None
    assert field("X", Upload | None).parse([]) is None


@pytest.mark.parametrize("hint", [complex, list[str], dict, str | int, "str", None, Literal[1.5],
                                  Literal["1", 1], Literal[b"x"]])
def test_a_type_that_cannot_be_asked_for_is_named(hint):
    with pytest.raises(TypeError) as caught:
        field("Price", hint)
    name = getattr(hint, "__name__", str(hint)).replace("typing.", "")
    assert name in str(caught.value) or str(hint).replace("typing.", "") in str(caught.value)
    assert "'Price'" in str(caught.value)


def test_a_default_that_does_not_fit_is_an_error_of_the_author():
    for hint, default in ((int, "5"), (str, 5), (Literal["a"], "b"), (bool, "yes"), (Upload, "x")):
        with pytest.raises(TypeError, match="default= of 'X'"):
            field("X", hint, default=default)
    with pytest.raises(TypeError, match="default= of 'X': X is 3 characters; the limit is 2"):
        field("X", str, default="abc", max_length=2)
    with pytest.raises(TypeError, match="max_length= of 'X' is for text, not for int"):
        field("X", int, max_length=2)


def test_a_text_is_trimmed_and_a_long_text_keeps_its_lines():
    assert field("X", str).parse(["  Ada "]) == "Ada"
    assert field("X", LongText).parse(["  a\r\nb \r\n"]) == "  a\nb \n"


@pytest.mark.parametrize("hint", [str, LongText, int, Literal["a"], Upload])
def test_an_empty_answer_is_refused_where_one_is_needed(hint):
    for raw in ([], [""], [" \n\t"]):
        assert "empty" in (message := refusal(field("X", hint), *raw)) or "chosen" in message


def test_too_long_a_text_is_refused_with_the_limit():
    spec = field("Your name", str, max_length=80)
    assert refusal(spec, "x" * 81) == "Your name is 81 characters; the limit is 80."
    assert refusal(spec, "x" * 1_234) == "Your name is 1,234 characters; the limit is 80."
    assert spec.parse(["x" * 80]) == "x" * 80


@pytest.mark.parametrize(("typed", "number"), [
    ("5", 5), (" -12 ", -12), ("+3", 3), ("1,000", 1000), ("1,234,567", 1_234_567), ("1 000", 1000), ("1_000", 1000),
    ("1\u202f000", 1000), ("1'000", 1000), ("\u22125", -5), ("007", 7), ("\u0663", 3), (str(WHOLE_LIMIT), WHOLE_LIMIT)])
def test_a_whole_number_is_read_as_people_write_it(typed, number):
    assert field("X", int).parse([typed]) == number


@pytest.mark.parametrize("typed", ["abc", "1.5", "1.000", "12,34", "1,0000", ",100", "1,000 000", "0x10", "1e3", "--1",
                                   "\u00b2"])
def test_what_is_no_whole_number_is_said_with_the_text(typed):
    assert refusal(field("X", int), typed) == f"This is no whole number: {typed}."


def test_a_number_beyond_what_a_browser_holds_is_over_the_limit():
    spec = field("X", int)
    assert refusal(spec, "9007199254740992") == "9,007,199,254,740,992 is over the limit of 9,007,199,254,740,991."
    assert "under the limit of -9,007,199,254,740,991" in refusal(spec, "-9007199254740992")
    assert "A number of 5,000 digits is over" in refusal(spec, "9" * 5_000)


def test_a_box_that_is_not_ticked_is_a_no():
    spec = field("X", bool, default=True)
    assert (spec.parse([]), spec.parse([""]), spec.parse(["no"]), spec.parse(["yes"])) == (False, False, False, True)


def test_yes_no_or_nothing_is_a_choice_that_may_be_left_out():
    spec = field("X", bool | None)
    assert spec.options == ("Yes", "No")
    assert [spec.parse([raw]) for raw in ("Yes", "No", "")] == [True, False, None]


def test_a_choice_gives_the_authors_value_and_refuses_others():
    spec = field("X", Literal["a", 2])
    assert spec.parse(["2"]) == 2
    assert refusal(spec, "c") == "c is none of the choices."
    assert refusal(spec, "") == "Nothing is chosen: choose one."


def test_typed_text_is_never_taken_for_a_file_nor_a_file_for_text():
    assert refusal(field("X", Upload), "0123") == "This is no file: choose one."
    assert refusal(field("X", str), FileId("0123")) == "This is a file; type the answer."
    assert field("X", Upload).parse([FileId("0123")]) == "0123"


def test_half_a_character_is_refused_before_the_database_meets_it():
    assert "half a character" in refusal(field("X", str), "a\ud800")


@dataclass(frozen=True)
class Stand:
    id: str
    name: str = "list.csv"


def test_a_file_is_stored_by_its_id_and_found_again():
    spec, files = field("X", Upload), {"0123": Stand("0123")}
    stored = spec.to_json(spec.parse([FileId("0123")], open_file=files.__getitem__))
    assert file_ids([stored, None, '"0123"', "5"]) == ["0123"]
    assert spec.from_json(stored, open_file=files.__getitem__) == files["0123"]
    assert spec.text(files["0123"]) == "list.csv"


def test_a_stored_value_that_no_longer_fits_is_refused():
    for text, hint in (('"b"', Literal["a"]), ('"x"', int), ("true", int), ("5", str), ("null", str),
                       ('"0123"', Upload), ('{"file": "1"}', str), ("1", Literal[True])):
        with pytest.raises(InvalidAnswer):
            field("X", hint).from_json(text)


def test_an_old_answer_is_proposed_where_it_can_be_edited():
    def gone(id):
        raise NotFound("gone")

    assert field("X", str, max_length=2).proposal('"abc"') == "abc"
    assert field("X", str).proposal("12") == "12"
    assert field("X", Literal["a", "b"], default="b").proposal('"c"') == "b"
    assert field("X", Upload).proposal('{"file": "1"}', open_file=gone) is None


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
WHOLE = st.integers(-WHOLE_LIMIT, WHOLE_LIMIT)
VALUES = st.one_of(
    st.tuples(st.just(str | None), st.none() | TEXTS), st.tuples(st.just(LongText), TEXTS),
    st.tuples(st.just(int | None), st.none() | WHOLE), st.tuples(st.just(bool), st.booleans()),
    st.tuples(st.just(Literal["a", 1, True]), st.sampled_from(["a", 1, True])))


@settings(max_examples=soak(20, 5_000), deadline=None)
@given(VALUES)
def test_what_is_stored_comes_back_as_it_was(case):
    hint, value = case
    back = field("X", hint).from_json(field("X", hint).to_json(value))
    assert (back, type(back)) == (value, type(value))


@settings(max_examples=soak(20, 5_000), deadline=None)
@given(WHOLE)
def test_a_number_typed_as_it_is_shown_is_that_number(number):
    spec = field("X", int)
    assert spec.parse([f"{number:,}"]) == spec.parse([spec.text(number)]) == number
