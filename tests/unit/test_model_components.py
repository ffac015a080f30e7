"""The picker and the condition, state by state."""

from __future__ import annotations

import pytest

from treadle.llm.status import InstalledModel, ModelStatus, PullProgress
from treadle.web.components.model import AddressForm, Condition, ModelPicker, amount, progress

MODELS = (InstalledModel("qwen3:14b", 9_300_000_000), InstalledModel("<b>:1b", 640_000_000))
READY = ModelStatus("ready", models=MODELS, chosen="qwen3:14b")


@pytest.mark.parametrize(("status", "sentence", "button"), [
    (ModelStatus("not_installed"), "Ollama is not installed on this computer.", "Show how"),
    (ModelStatus("not_running"), "Ollama is not running; start it with <code>ollama serve</code>.", "Copy the command"),
    (ModelStatus("no_model"), "Ollama has no model yet; qwen3:8b needs 5.2 GB.", "Download qwen3:8b"),
    (ModelStatus("wrong_address", address="http://localhost:11435"), "No Ollama answers at localhost:11435.",
     "Change address"),
    (ModelStatus("ready", chosen="qwen3:8b", was_down=True), "qwen3:8b is ready.", "Choose another"),
    (ModelStatus("pulling", pull=PullProgress("qwen3:8b", 2_100_000_000, 5_200_000_000, 175)),
     'Downloading qwen3:8b <span class="n">2.1 of 5.2 GB, 3 min left</span>', "Stop"),
    (ModelStatus("no_model", problem="qwen3:8b was not downloaded: no space left.", failed="qwen3:8b"),
     "qwen3:8b was not downloaded: no space left.", "Try again"),
])
def test_each_state_is_one_sentence_with_one_button(status, sentence, button):
    html = str(Condition(status))
    assert f"<p>{sentence}</p>" in html
    assert html.count('class="btn ') == 1 and f">{button}</" in html


@pytest.mark.parametrize("status", [ModelStatus(), READY])
def test_checking_and_ready_say_nothing(status):
    assert str(Condition(status)) == '<div id="condition" role="status"></div>'


def test_a_download_is_not_announced_at_every_step():
    assert 'aria-live="off"' in str(Condition(ModelStatus("pulling", pull=PullProgress("qwen3:8b"))))


def test_a_failed_download_is_red_and_no_model_is_not():
    assert "notice bad" in str(Condition(ModelStatus("no_model", problem="x was not downloaded: y.", failed="x")))
    assert "notice bad" not in str(Condition(ModelStatus("no_model")))


def test_the_canned_model_is_labelled_in_the_head_and_above_the_composer():
    demo = ModelStatus("demo", address="", chosen="canned demo")
    assert "canned demo" in str(ModelPicker(demo)) and "popovertarget" not in str(ModelPicker(demo))
    assert "Answers are canned" in str(Condition(demo))


def test_the_picker_lists_what_is_installed_with_sizes_and_marks_the_chosen_one():
    html = str(ModelPicker(READY))
    assert html.count('class="opt"') == 2 and html.count("aria-current=true") == 1
    assert 'value="qwen3:14b" aria-current=true' in html and "9.3 GB" in html and "640 MB" in html
    assert "<b>:1b" not in html and "&lt;b&gt;:1b" in html
    assert "127.0.0.1:11434" in html


@pytest.mark.parametrize(("status", "label"), [
    (ModelStatus(), "Model"), (ModelStatus(chosen="qwen3:14b"), "qwen3:14b"),
    (ModelStatus("not_installed"), "No model"),
    (ModelStatus("not_running", chosen="qwen3:14b"), "qwen3:14b"), (ModelStatus("no_model", chosen="x"), "No model"),
])
def test_the_head_names_the_model(status, label):
    assert f"</span>{label}</span>" in str(ModelPicker(status))


def test_the_buttons_of_a_page_without_javascript_work_there():
    states = [ModelStatus("wrong_address"), ModelStatus("not_running"),
              ModelStatus("ready", chosen="x", was_down=True), ModelStatus("no_model")]
    for status in states:
        html = str(Condition(status, plain=True))
        assert "popovertarget" not in html and "hx-" not in html and "data-copy" not in html


def test_an_address_is_escaped_and_its_error_stands_at_the_field():
    html = str(AddressForm('"><script>', error="That is no address."))
    assert "<script>" not in html
    assert 'aria-invalid="true" aria-describedby="address-error"' in html and 'id="address-error"' in html


@pytest.mark.parametrize(("pull", "text"), [
    (PullProgress("x"), ""),
    (PullProgress("x", 0, 640_000_000), "0 of 640 MB"),
    (PullProgress("x", 2_100_000_000, 5_200_000_000), "2.1 of 5.2 GB"),
    (PullProgress("x", 2_100_000_000, 5_200_000_000, 42.4), "2.1 of 5.2 GB, 42 s left"),
    (PullProgress("x", 5_199_000_000, 5_200_000_000, 0.1), "5.2 of 5.2 GB, 1 s left"),
])
def test_progress_says_as_much_as_is_known(pull, text):
    assert progress(pull) == text


def test_sizes_are_said_as_ollama_says_them():
    assert (amount(5_225_388_164), amount(1_036_000_000), amount(274_302_450)) == ("5.2 GB", "1.0 GB", "274 MB")
