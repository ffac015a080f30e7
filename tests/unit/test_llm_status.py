"""Addresses of Ollama, as people and OLLAMA_HOST write them."""

from __future__ import annotations

import pytest

from treadle.errors import InvalidAnswer
from treadle.llm.pull import first_progress
from treadle.llm.status import ModelStatus, is_default, is_installed, parse_address
from treadle.llm.wire import NotOllama, installed, piece


@pytest.mark.parametrize(("written", "meant"), [
    ("box", "http://box:11434"),
    ("box:8080", "http://box:8080"),
    (":11500", "http://127.0.0.1:11500"),
    ("0.0.0.0", "http://127.0.0.1:11434"),
    ("0.0.0.0:11500", "http://127.0.0.1:11500"),
    ("http://0.0.0.0:11500/", "http://127.0.0.1:11500"),
    ("[::]:11500", "http://[::1]:11500"),
    ("::1", "http://[::1]:11434"),
    ("[::1]", "http://[::1]:11434"),
    ("fd00::7", "http://[fd00::7]:11434"),
    ("http://box", "http://box:80"),
    ("https://box", "https://box:443"),
    ("https://box/ollama/", "https://box:443/ollama"),
    ("http://localhost:11434", "http://localhost:11434"),
    ("  \"192.168.0.7:11434\" ", "http://192.168.0.7:11434"),
])
def test_an_address_means_what_ollama_takes_it_to_mean(written, meant):
    assert parse_address(written) == meant


@pytest.mark.parametrize("written", ["", "   ", "http://", "ftp://box", "box:port", "box:99999", "a b", "http://u:p@box",
                                     "box?x=1", "box#x", "bo\\x", "x" * 400, "bo\x00x", "http://[::1"])
def test_what_is_no_address_is_refused_at_its_field(written):
    with pytest.raises(InvalidAnswer) as caught:
        parse_address(written)
    assert caught.value.field == "address"


def test_the_usual_address_is_known_in_its_three_spellings():
    assert all(is_default(parse_address(text)) for text in ("127.0.0.1", "localhost:11434", "[::1]", "0.0.0.0"))
    assert not is_default(parse_address("localhost:11435"))


def test_ollama_is_installed_when_it_is_on_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not is_installed()
    (tmp_path / "ollama").touch(0o755)
    assert is_installed()


def test_a_person_reads_host_and_port():
    assert ModelStatus("ready", address="http://localhost:11434").host == "localhost:11434"


def test_models_that_cannot_answer_are_not_offered():
    answer = {"models": [{"name": "nomic-embed-text:latest", "size": 1, "details": {"family": "nomic-bert"}},
                         {"name": "qwen3:8b", "size": 5, "details": {"family": "qwen3"}}, {"size": 3}, "odd"]}
    assert [(model.name, model.size) for model in installed(answer)] == [("qwen3:8b", 5)]


@pytest.mark.parametrize("answer", [None, [], {}, {"models": 3}, "x"])
def test_an_answer_without_models_is_not_ollamas(answer):
    with pytest.raises(NotOllama):
        installed(answer)


def test_a_reply_ends_well_although_its_statistics_are_odd():
    end = piece({"message": {"role": "assistant", "content": "x"}, "done": True, "eval_count": "many"})
    assert end.done and end.text == "x" and end.tokens_per_s is None
    none = piece({"message": {"role": "assistant", "content": ""}, "done": True, "eval_count": 0, "eval_duration": 0})
    assert none.tokens_per_s is None


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 300, "a:b:c:d:e:f:g", "é"])
def test_only_a_name_of_a_model_is_downloaded(name):
    with pytest.raises(InvalidAnswer):
        first_progress(name)


def test_the_size_of_the_proposed_model_is_known_before_it_comes():
    assert first_progress("qwen3:8b").total == 5_200_000_000
    assert first_progress("hf.co/some/model:Q4_K_M").total == 0


def test_a_model_whose_name_is_no_text_is_left_out():
    assert [model.name for model in installed({"models": [{"name": "a\ud83d"}, {"name": "b"}]})] == ["b"]
