"""The model, as the chat shows it: its name with the list behind it, its state as one sentence with one button.

Both are drawn from a `ModelStatus`, by pages and by the stream alike. The form for the address stands beside them and
is never redrawn, so that what is typed there stays.
"""

from __future__ import annotations

from functools import lru_cache
from html import escape

from fasthtml.common import NotStr

from ...llm.status import SUGGESTED, ModelStatus, PullProgress
from .icons import icon

ENCODING = 'enctype="application/x-www-form-urlencoded"'
COMMAND = "ollama serve"


@lru_cache(maxsize=8)
def ModelPicker(status: ModelStatus, *, focus: bool = False) -> NotStr:
    """The model that answers next, and behind it what is installed. `focus`: after a choice, where the list was."""
    if status.kind == "demo":
        return NotStr(f'<div id="model"><span class="menu-btn"><span class="t">{status.chosen}</span></span></div>')
    name = status.chosen if status.kind not in ("no_model", "pulling", "not_installed") else ""
    label = escape(name or ("Model" if status.kind == "checking" else "No model"))
    return NotStr(
        '<div id="model"><button class="menu-btn" id="model-button" type="button" popovertarget="model-menu" '
        f'aria-haspopup="true"{" autofocus" if focus else ""}><span class="t">'
        f'<span class="sr">Model: </span>{label}</span>{icon("chevron-down", small=True)}</button>'
        f'<div class="pop menu" id="model-menu" popover role="group" aria-label="Model">{Installed(status)}'
        f'<footer><span>{escape(status.host)}</span><button class="btn ghost sm" type="button" '
        'popovertarget="model-address">Change address</button></footer></div></div>')


def Installed(status: ModelStatus, *, plain: bool = False) -> NotStr:
    """What is installed, with its size; the marked one answers next. `plain`: for the page without JavaScript."""
    if not status.models:
        return NotStr('<p class="grp">No model is installed.</p>')
    how = "" if plain else 'hx-post="/model/choose" hx-target="#model" hx-swap="outerHTML settle:0" '
    options = "".join(
        f'<button class="opt" name="model" value="{escape(model.name)}"'
        f'{" aria-current=true" if model.name == status.chosen else ""}><span>{escape(model.name)}</span>'
        f'<span class="sub">{amount(model.size)}</span><span class="end">{icon("check", small=True)}</span></button>'
        for model in status.models)
    return NotStr(f'<form method="post" action="/model/choose" {how}{ENCODING}><p class="grp">Installed</p>'
                  f"{options}</form>")


def AddressForm(address: str, *, error: str = "") -> NotStr:
    """Where Ollama is. `address`: as a person writes it; `error`: why it was refused."""
    return NotStr(
        '<form class="pop menu" id="model-address" popover method="post" action="/model/address" '
        'hx-post="/model/address" hx-target="this" hx-swap="outerHTML settle:0" '
        f'hx-status-422="swap:outerMorph settle:0" {ENCODING}>{AddressField(address, error=error)}'
        '<footer><span>Empty: the usual one</span><button class="btn line sm">Save</button></footer></form>')


def AddressField(address: str, *, error: str = "", id: str = "address") -> NotStr:
    """The one field of that form, with its error below."""
    said = (f'<p class="err" id="{id}-error">{icon("circle-alert", small=True)}<span>{escape(error)}</span></p>'
            if error else "")
    marks = f' aria-invalid="true" aria-describedby="{id}-error"' if error else ""
    return NotStr(
        f'<div class="field"><label class="label" for="{id}">Address of Ollama</label>'
        f'<input class="input" id="{id}" name="address" value="{escape(address)}" placeholder="localhost:11434" '
        f'autocomplete="off" autocapitalize="off" spellcheck="false" maxlength="300"{marks}>{said}</div>')


@lru_cache(maxsize=8)
def Condition(status: ModelStatus, *, plain: bool = False, here: bool = False) -> NotStr:
    """The state of the model above the composer, when there is something to say.

    Announced to screen readers, but not at every step of a download. `plain`: for a page without JavaScript, where
    buttons that need it are links to the model's page; `here`: for that page itself, which needs no such links.
    """
    if here:
        return NotStr(_said(status, True, True))
    quiet = ' aria-live="off"' if status.pull else ""
    return NotStr(f'<div id="condition" role="status"{quiet}>{_said(status, plain, False)}</div>')


def _said(status: ModelStatus, plain: bool, here: bool) -> str:
    if status.pull is not None:
        return _downloading(status.pull, plain)
    if status.problem and status.kind == "no_model":
        return _notice("circle-alert", escape(status.problem), _post(
            "/model/pull", "Try again", "line", plain, model=status.failed), bad=True)
    match status.kind:
        case "not_installed":
            return _notice("circle-alert", "Ollama is not installed on this computer.",
                           '<a class="btn line sm" href="/docs/how-to/install-ollama">Show how</a>')
        case "not_running":
            copy = f'<button class="btn line sm" type="button" data-copy="{COMMAND}">Copy the command</button>'
            return _notice("circle-alert", f"Ollama is not running; start it with <code>{COMMAND}</code>.",
                           "" if plain else copy)
        case "no_model":
            return _notice("download", f"Ollama has no model yet; {SUGGESTED.name} needs {amount(SUGGESTED.size)}.",
                           _post("/model/pull", f"Download {SUGGESTED.name}", "line", plain, model=SUGGESTED.name))
        case "wrong_address":
            return _notice("unplug", f"No Ollama answers at {escape(status.host)}.",
                           "" if here else _opens("model-address", "Change address", "line", plain))
        case "ready" if status.was_down:
            return _notice("check", f"{escape(status.chosen)} is ready.",
                           "" if here else _opens("model-menu", "Choose another", "ghost", plain))
        case "demo":
            return _notice("info", "Answers are canned: Treadle was started with <code>--demo</code>.")
    return ""


def _downloading(pull: PullProgress, plain: bool) -> str:
    share = f' value="{pull.done}" max="{pull.total}"' if pull.total else ""
    name = escape(pull.name)
    return _notice("download", f'Downloading {name} <span class="n">{progress(pull)}</span>',
                   _post("/model/pull/stop", "Stop", "ghost", plain),
                   f'<progress{share} aria-label="Downloading {name}"></progress>')


def _notice(sign: str, sentence: str, action: str = "", more: str = "", *, bad: bool = False) -> str:
    acts = f'<div class="acts">{action}</div>' if action else ""
    return f'<div class="notice{" bad" if bad else ""}">{icon(sign)}<p>{sentence}</p>{acts}{more}</div>'


def _post(url: str, label: str, look: str, plain: bool, **fields: str) -> str:
    how = "" if plain else f'hx-post="{url}" hx-swap="none" '
    hidden = "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items())
    return (f'<form method="post" action="{url}" {how}{ENCODING}>{hidden}'
            f'<button class="btn {look} sm">{label}</button></form>')


def _opens(id: str, label: str, look: str, plain: bool) -> str:
    if plain:
        return f'<a class="btn {look} sm" href="/model">{label}</a>'
    return f'<button class="btn {look} sm" type="button" popovertarget="{id}">{label}</button>'


def amount(size: float) -> str:
    """A size as Ollama says it: 5.2 GB, 640 MB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def progress(pull: PullProgress) -> str:
    """How far a download is: "2.1 of 5.2 GB, 3 min left", as much of it as is known."""
    if not pull.total:
        return ""
    unit, digits = (1e9, 1) if pull.total >= 1e9 else (1e6, 0)
    text = f"{pull.done / unit:.{digits}f} of {amount(pull.total)}"
    if pull.left_s is None:
        return text
    left = f"{round(pull.left_s / 60)} min" if pull.left_s >= 90 else f"{max(1, round(pull.left_s))} s"
    return f"{text}, {left} left"
