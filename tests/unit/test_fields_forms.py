"""Forms of several fields from a model, and choices among what was found while running."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as part
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, model_validator

from tests.harness import soak
from treadle.errors import InvalidAnswer
from treadle.fields.types import (
    Accept,
    FileId,
    Json,
    LongText,
    Range,
    Secret,
    Upload,
    Url,
    choice,
    file_ids,
    form,
    references,
)


class Size(Enum):
    SMALL = 1
    LARGE = 2


@dataclass
class Scope:
    name: str
    start: Url
    pages: Annotated[int, Field(gt=0, le=5_000, description="How **many**.")] = 500
    workers: Annotated[int, Range(1, 50)] = 12
    sizes: list[Size] = part(default_factory=lambda: [Size.SMALL])
    on: date | None = None
    group: bool = True
    notes: LongText | None = None

    def __post_init__(self) -> None:
        if self.pages < self.workers:
            raise ValueError("There are fewer pages than workers.")


class Account(BaseModel):
    login: str = Field(min_length=3, title="User name", description="As on the site.")
    number: int = Field(5, ge=1, alias="no")

    @model_validator(mode="after")
    def both(self) -> Account:
        if self.login == "root" and self.number < 10:
            raise ValueError("The name root needs a number from 10 on.")
        return self


@dataclass
class Files:
    list: Annotated[Upload, Accept(".csv")]
    key: Secret
    more: Upload | None = None
    data: Json | None = None


GOOD = {"name": ["Ada"], "start": ["https://x.org"], "pages": ["90"], "workers": ["4"], "sizes": ["Large", "Small"],
        "group": ["yes"]}


def problems(spec, raw):
    with pytest.raises(InvalidAnswer) as caught:
        spec.parse(raw)
    return caught.value.fields


def test_a_form_has_a_field_for_each_of_a_models_with_its_words_and_defaults():
    spec = form("Scope", Scope, help="What is crawled.")
    assert list(spec.fields) == ["name", "start", "pages", "workers", "sizes", "on", "group", "notes"]
    assert [each.kind for each in spec.fields.values()] == [
        "text", "url", "whole_number", "whole_number", "choices", "date", "yes_no", "long_text"]
    pages = spec.fields["pages"]
    assert (pages.label, pages.help, pages.default, pages.optional) == ("Pages", "How **many**.", 500, True)
    assert spec.fields["sizes"].default == [Size.SMALL] and not spec.fields["name"].optional
    login = form("Account", Account).fields["login"]
    assert (login.label, login.help) == ("User name", "As on the site.")


def test_what_is_sent_comes_back_as_an_instance_and_is_stored_and_read_again():
    spec = form("Scope", Scope)
    value = spec.parse(GOOD)
    assert value == Scope("Ada", Url("https://x.org"), 90, 4, [Size.SMALL, Size.LARGE])
    stored = spec.to_json(value)
    assert spec.from_json(stored) == value and spec.from_json(stored) is not spec.from_json(stored)
    assert spec.text(value) == "Name: Ada, Start: https://x.org, Pages: 90, Workers: 4, Sizes: Small, Large, Group: Yes"
    account = form("Account", Account).parse({"login": ["ada"], "number": ["7"]})
    assert account == Account(login="ada", no=7)


def test_every_bad_field_has_its_own_sentence():
    assert problems(form("Scope", Scope), GOOD | {"name": [""], "start": ["x.org"], "pages": ["9,000"]}) == {
        "name": "This is empty: type an answer.",
        "start": "This is no full address: begin with https:// and name a host.",
        "pages": "9,000 is over the limit of 5,000."}
    assert problems(form("Account", Account), {"login": ["ab"]}) == {
        "login": "User name is 2 characters; the least is 3."}


def test_what_does_not_go_together_is_said_of_the_form_as_a_whole():
    assert problems(form("Scope", Scope), GOOD | {"pages": ["2"]}) == {"": "There are fewer pages than workers."}
    assert problems(form("Account", Account), {"login": ["root"]}) == {"": "The name root needs a number from 10 on."}


def test_a_default_is_an_instance_or_a_dict():
    spec = form("Scope", Scope, default={"name": "Ada", "pages": 7})
    assert [spec.fields[name].default for name in ("name", "pages", "workers")] == ["Ada", 7, 12]
    assert spec.fields["name"].optional and spec.values(None)["name"] == "Ada"
    whole = form("Scope", Scope, default=Scope("Bo", Url("https://y.org"), on=date(2026, 1, 2)))
    assert whole.parse({"workers": ["9"]}) == Scope("Bo", Url("https://y.org"), workers=9, sizes=[],
                                                    group=False)
    for default, said in (({"nme": "x"}, "has no field 'nme'"), (5, "is a Scope or a dict, not 5"),
                          ({"pages": 9_000}, "9,000 is over the limit")):
        with pytest.raises(TypeError, match=said):
            form("Scope", Scope, default=default)


def test_a_stored_form_outlives_a_field_that_came_or_went():
    stored = form("Scope", Scope).to_json(Scope("Ada", Url("https://x.org")))

    @dataclass
    class Later:
        name: str
        depth: int = 3

    later = form("Scope", Later)
    assert later.from_json(stored) == Later("Ada", 3)

    @dataclass
    class Needs:
        name: str
        depth: int

    with pytest.raises(InvalidAnswer):
        form("Scope", Needs).from_json(stored)
    assert form("Scope", Needs).proposal(stored) == {"name": "Ada", "depth": None}
    with pytest.raises(InvalidAnswer):
        later.from_json('"a text"')


def test_files_and_secrets_in_a_form_are_known_by_their_ids():
    spec = form("Files", Files)
    known = {"f1": Path("a.csv"), "f2": Path("b"), "secret-1": Secret("hunter2")}
    value = spec.parse({"list": [FileId("f1")], "key": ["hunter2"], "data": ['{"file": "f9"}']},
                       open_file=known.__getitem__)
    assert value.list == Path("a.csv")
    stored = spec.to_json(Files(FileId("f1"), value.key, FileId("f2"), value.data), keep=lambda text: "secret-1")
    assert references([stored]) == ["f1", "secret-1", "f2"] and file_ids([stored]) == ["f1", "f2"]
    assert "hunter2" not in stored + spec.text(value) + repr(value)
    assert spec.from_json(stored, open_file=known.__getitem__) == Files(
        Path("a.csv"), Secret("hunter2"), Path("b"), {"file": "f9"})


@dataclass
class Inner:
    x: int


@dataclass
class Nested:
    inner: Inner


@dataclass
class Empty:
    pass


class Odd:
    pass


@dataclass
class Strange:
    x: Odd


@pytest.mark.parametrize(("model", "said"), [
    (Nested, "Inner is no type to ask for, as 'Inner' does"), (Empty, "Empty has no fields"),
    (Strange, "Odd is no type to ask for"), (dict, "needs a dataclass or a pydantic model, not dict"),
    (Inner(1), "needs a dataclass or a pydantic model")])
def test_a_model_that_cannot_be_asked_for_is_named(model, said):
    with pytest.raises(TypeError, match=said):
        form("X", model)


def test_the_schema_of_a_form_is_an_object():
    schema = form("Scope", Scope).json_schema()
    assert schema["required"] == ["name", "start"] and schema["properties"]["pages"]["maximum"] == 5_000
    assert schema["properties"]["sizes"]["items"] == {"enum": [1, 2]}


def test_options_found_while_running_are_texts_or_values_with_a_text():
    spec = choice("Page", {7: "Home", 9: "About"})
    assert spec.parse(["About"]) == 9 and spec.to_json(9) == "9" and spec.from_json("7") == 7
    assert choice("Page", ["a", "b"]).parse(["b"]) == "b" and choice("Page", ["a"], default="a").parse([]) == "a"
    with pytest.raises(InvalidAnswer, match="Nothing is chosen: choose one"):
        spec.parse([""])
    with pytest.raises(InvalidAnswer):
        choice("Page", {7: "Home"}).from_json("9")  # it is gone


def test_many_of_them_give_a_list_of_at_least_so_many():
    spec = choice("Pages", {7: "Home", 9: "About", 11: "Help"}, many=True, least=2)
    assert spec.parse(["About", "Home"]) == [7, 9] and not spec.optional
    with pytest.raises(InvalidAnswer, match="1 chosen; choose at least 2"):
        spec.parse(["About"])
    assert choice("Pages", ["a"], many=True).parse([]) == [] and choice("Pages", ["a"], many=True).optional
    assert choice("Pages", {7: "Home"}, many=True).proposal("[7, 9]") == [7]


@pytest.mark.parametrize(("options", "more", "said"), [
    ([], {}, "are empty"), ("abc", {}, "are a list of texts"), (["a", "a"], {}, "have the same text"),
    ({1: "x", 2: "x"}, {}, "have the same text"), ([""], {}, "are texts or numbers"), ([1], {}, "are texts or numbers"),
    ({(1, 2): "x"}, {}, "are texts or numbers"), (["a"], {"least": 1}, "needs many=True"),
    (["a"], {"many": True, "least": 2}, "is 2, and there are 1 options"), (["a"], {"default": "b"}, "none of the"),
    (["a"], {"many": True, "default": "a"}, "does not fit: X is a list of choices")])
def test_options_that_make_no_choice_are_an_error_of_the_author(options, more, said):
    with pytest.raises(TypeError, match=said):
        choice("X", options, **more)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(lambda text: text.strip())
SCOPES = st.builds(Scope, name=TEXTS, start=st.just(Url("https://x.org")), pages=st.integers(50, 5_000),
                   workers=st.integers(1, 50), sizes=st.sampled_from([[], [Size.LARGE], [*Size]]),
                   on=st.none() | st.dates(), group=st.booleans(), notes=st.none() | TEXTS)


@settings(max_examples=soak(30, 2_000), deadline=None)
@given(SCOPES)
def test_a_form_comes_back_as_it_was_stored(scope):
    spec = form("Scope", Scope)
    assert spec.from_json(spec.to_json(scope)) == scope


@settings(max_examples=soak(30, 2_000), deadline=None)
@given(st.dictionaries(st.sampled_from([*GOOD, "on", "other", ""]), st.lists(st.text(max_size=9), max_size=3)))
def test_whatever_is_sent_is_an_instance_or_a_sentence_at_each_field(raw):
    try:
        assert isinstance(form("Scope", Scope).parse(raw), Scope)
    except InvalidAnswer as refused:
        assert refused.fields and all(text.endswith(".") or "choose" in text or "type" in text or "give" in text
                                      for text in refused.fields.values())


def test_literals_of_a_form_are_its_own():
    @dataclass
    class Kinds:
        kind: Literal["a", "b"] = "a"

    assert form("X", Kinds).parse({"kind": ["b"]}).kind == "b"
