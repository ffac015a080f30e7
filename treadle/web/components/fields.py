"""One native control per kind of field. A single question has no second label: its step's title is the label."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from html import escape
from typing import Any, NamedTuple

from ...fields.types import FieldSpec, Secret
from ...files import File, megabytes
from ...text import counted
from .icons import icon
from .shows import prose

SEGMENTS = 3  # options up to this many, if short, stand side by side
DROPDOWN = 6  # from this many on, options are a dropdown
WIDE = frozenset({"long_text", "markdown", "json", "url", "upload", "secret", "yes_no"})  # a row of a form for itself
TYPES = {"url": "url", "email": "email", "secret": "password", "date": "date", "datetime": "datetime-local"}
# a number is typed as text: a number field would not send what it cannot read, and it would be lost
MODES = {"whole_number": ' inputmode="numeric"', "number": ' inputmode="decimal"',
         "path": ' autocapitalize="none" spellcheck="false"', "secret": ' autocomplete="off"',
         "json": ' autocapitalize="none" spellcheck="false"'}
STOPPED = ('<div class="notice" role="status"><p>The upload was stopped; nothing of it was stored. What you typed is '
           "still here.</p></div>")


class State(NamedTuple):
    """What a field shows. `value`: the default, or an earlier answer. `typed`: what a refused form held, else None.

    `kept`: the file or secret that counts when no other is given; `waits`: it came with a refused form. `upload`: the
    id under which the bar asks for progress. `name`: of its element, as it is sent.
    """

    name: str = "value"
    value: Any = None
    typed: Sequence[str] | None = None
    error: str = ""
    kept: File | Secret | None = None
    waits: bool = False
    focus: bool = False
    upload: str = ""


def Field(spec: FieldSpec, id: str, state: State, *, single: bool = True) -> str:
    """The field of a question, or `single=False` one of a form."""
    texts = state.typed if state.typed is not None else spec.texts(state.value)
    help = _help(spec, single)
    described = " ".join(part for part in (f"{id}-err" if state.error else "", f"{id}-help" if help else "") if part)
    attrs = (f' id="{id}" name="{escape(state.name)}"' + (f' aria-describedby="{described}"' if described else "")
             + (' aria-invalid="true"' if state.error else "") + (" autofocus" if state.focus else ""))
    inner, grouped = _control(spec, id, attrs, texts, state, single)
    problem = (f'<p class="err" id="{id}-err">{icon("circle-alert", small=True)}<span>{escape(state.error)}</span></p>'
               if state.error else "")
    help = f'<div class="hint" id="{id}-help">{help}</div>' if help else ""
    label = f'{escape(spec.label)}{" " if not single and _may_be_empty(spec) else ""}'
    label += '<span class="hint">Optional</span>' if not single and _may_be_empty(spec) else ""
    wide = " full" if single or spec.kind in WIDE or spec.slider else ""
    look = "sr" if single else "label"
    if spec.kind == "yes_no" and not single:
        return f'<div class="field{wide}">{inner}{problem}{help}</div>'
    if grouped:
        about = f' aria-describedby="{described}"' if described else ""
        return (f'<fieldset class="field{wide}"{about}><legend class="{look}">{label}</legend>{inner}{problem}{help}'
                "</fieldset>")
    return f'<div class="field{wide}"><label class="{look}" for="{id}">{label}</label>{inner}{problem}{help}</div>'


def _may_be_empty(spec: FieldSpec) -> bool:
    """Whether leaving it out is worth saying."""
    chosen = spec.kind == "choice" or spec.slider
    return spec.optional and (spec.nullable or not (chosen or spec.kind == "choices"))


def _help(spec: FieldSpec, single: bool) -> str:
    """What stands under the field: the author's help, the limits, and that it may be left empty."""
    parts = [prose(spec.help)] if spec.help else []
    facts = [] if spec.max_length is None else [f"At most {counted(spec.max_length, 'character')}."]
    low, high = (None if end is None else f"{end:,}" for end in (spec.lowest, spec.highest))
    if low is not None and high is not None:
        facts.append(f"{low} to {high}.")
    elif low is not None or high is not None:
        facts.append(f"At least {low}." if low is not None else f"At most {high}.")
    if spec.least and spec.kind == "choices":
        facts.append(f"Choose at least {spec.least:,}.")
    if spec.kind == "upload" and (limits := upload_limits(spec)):
        facts.append(limits)
    if spec.kind == "secret":
        facts.append("Kept in a file of its own. Never in a log, an export or a message to the model.")
    if single and _may_be_empty(spec):
        facts.append("Optional.")
    return "".join(parts) + (f"<p>{escape(' '.join(facts))}</p>" if facts else "")


def upload_limits(spec: FieldSpec) -> str:
    """Which files are taken: ".csv or .gz, up to 50 MB."; "" where that is not said."""
    endings = " or ".join(filter(None, [", ".join(spec.accept[:-1]), *spec.accept[-1:]]))
    size = "" if spec.max_mb is None else f"up to {megabytes(round(spec.max_mb * 1_000_000))}"
    text = ", ".join(filter(None, [endings, size]))
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _control(spec: FieldSpec, id: str, attrs: str, texts: Sequence[str], state: State,
             single: bool) -> tuple[str, bool]:
    """The control, and whether it is a group of several."""
    kind = spec.kind
    if kind == "upload":
        return _upload(spec, id, attrs, state), False
    if kind == "secret":
        return _kept(spec, state) + _secret(spec, id, attrs), False
    if kind in ("long_text", "markdown", "json"):
        return _lines(spec, attrs, texts), False
    if kind == "yes_no":
        return _yes_no(spec, attrs, texts, single), single
    if kind == "choices":
        return _checks(spec, id, attrs, texts, state.name), True
    if kind == "choice":
        inner = _choice(spec, id, attrs, texts, state.name)
        return inner, "<select" not in inner
    if spec.slider and not spec.nullable and spec.lowest is not None and spec.highest is not None:
        return _slider(spec, attrs, texts), False
    return _line(spec, attrs, texts), False


def _line(spec: FieldSpec, attrs: str, texts: Sequence[str]) -> str:
    hint = f' placeholder="{escape(spec.placeholder)}"' if spec.placeholder else ""
    text, type = texts[-1] if texts else "", TYPES.get(spec.kind, "text")
    if spec.kind in ("date", "datetime") and text:
        try:
            (datetime if spec.kind == "datetime" else date).fromisoformat(text)
            text = text.replace(" ", "T")
        except ValueError:
            type = "text"  # a field for dates would show nothing of it
    seconds = ' step="any"' if type == "datetime-local" else ""
    return (f'<input class="input" type="{type}"{attrs}{MODES.get(spec.kind, "")}{hint}{seconds} '
            f'value="{escape(text)}">')


def _secret(spec: FieldSpec, id: str, attrs: str) -> str:
    """A password, and the button that shows it while it is pressed. app.js finds one by the other."""
    return (f'<div class="secret">{_line(spec, attrs, ())}<button class="btn line js" type="button" data-show '
            f'aria-pressed="false" aria-controls="{id}">Show</button></div>')


def _slider(spec: FieldSpec, attrs: str, texts: Sequence[str]) -> str:
    low, high = spec.lowest, spec.highest
    assert low is not None and high is not None
    step = spec.step or (1 if spec.kind == "whole_number" else (high - low) / 100)
    text = escape(texts[-1] if texts else str(low))
    return (f'<div class="range"><input type="range" min="{low}" max="{high}" step="{step:g}"{attrs} value="{text}">'
            f"<output>{text}</output></div>")


def _lines(spec: FieldSpec, attrs: str, texts: Sequence[str]) -> str:
    hint = f' placeholder="{escape(spec.placeholder)}"' if spec.placeholder else ""
    look = "input mono" if spec.kind == "json" else "input"
    # the browser drops the first line end of a textarea: one of ours is there to be dropped
    return (f'<textarea class="{look}" rows="6"{attrs}{MODES.get(spec.kind, "")}{hint}>\n'
            f'{escape(texts[-1] if texts else "")}</textarea>')


def _check(type: str, attrs: str, value: str, text: str, *, checked: bool) -> str:
    mark = " checked" if checked else ""
    return (f'<label class="check"><input type="{type}" value="{escape(value)}"{attrs}{mark}>'
            f'<span><span class="label">{escape(text)}</span></span></label>')


def _yes_no(spec: FieldSpec, attrs: str, texts: Sequence[str], single: bool) -> str:
    yes = bool(texts) and texts[-1].lower() in ("yes", "true", "on", "1")
    return _check("checkbox", attrs, "yes", "Yes" if single else spec.label, checked=yes)


def _own(id: str, attrs: str, name: str, number: int) -> str:
    """What one of several boxes has: what describes the field stands at the first."""
    return attrs if number == 0 else f' id="{id}-o{number}" name="{escape(name)}"'


def _checks(spec: FieldSpec, id: str, attrs: str, texts: Sequence[str], name: str) -> str:
    items = "".join(_check("checkbox", _own(id, attrs, name, number), text, text, checked=text in texts)
                    for number, text in enumerate(spec.options))
    return f'<div class="checks">{items}</div>'


def _choice(spec: FieldSpec, id: str, attrs: str, texts: Sequence[str], name: str) -> str:
    chosen = texts[-1] if texts else None
    options = [(text, text) for text in spec.options] + ([("", "No answer")] if spec.nullable else [])
    if chosen is None and spec.nullable:
        chosen = ""
    if len(options) >= DROPDOWN:
        if not spec.nullable:
            options.insert(0, ("", "Choose one"))
            chosen = chosen if chosen in spec.options else ""
        items = "".join(f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}'
                        "</option>" for value, text in options)
        return f'<div class="select-wrap"><select class="select"{attrs}>{items}</select>{icon("chevron-down")}</div>'
    attrs, focus, _ = attrs.partition(" autofocus")  # it belongs to the chosen one, as with the Tab key
    focused = next((n for n, (value, _) in enumerate(options) if value == chosen), 0)
    short = len(options) <= SEGMENTS and all(len(text) <= 16 for _, text in options)
    items = ""
    for number, (value, text) in enumerate(options):
        own = _own(id, attrs, name, number) + (focus if number == focused else "")
        if short:
            checked = " checked" if value == chosen else ""
            items += (f'<label><input type="radio" value="{escape(value)}"{own}{checked}><span>{escape(text)}</span>'
                      "</label>")
        else:
            items += _check("radio", own, value, text, checked=value == chosen)
    return f'<div class="{"seg" if short else "checks"}">{items}</div>'


def _kept(spec: FieldSpec, state: State) -> str:
    """The row of what counts when nothing else is given; with a box to leave it out, where that may be."""
    if state.kept is None:
        return ""
    drop = state.name.replace("value", "drop", 1)
    out = (f'<div class="end"><label class="check"><input type="checkbox" name="{escape(drop)}" value="yes">'
           "<span>Leave it out</span></label></div>" if spec.optional else "")
    if isinstance(state.kept, Secret):
        name, said, sign = "Kept", "Type another to replace it.", "lock"
    else:
        how = "Sent with the form and kept" if state.waits else "Your earlier answer"
        name, sign = state.kept.name, "file-text"
        said = f"{how}, {megabytes(state.kept.size)}. Choose another to replace it."
    return (f'<ul class="rows"><li>{icon(sign)}<div><span class="nm">{escape(name)}</span>'
            f'<p class="sub">{said}</p></div>{out}</li></ul>')


def _upload(spec: FieldSpec, id: str, attrs: str, state: State) -> str:
    takes = f' accept="{escape(",".join(spec.accept))}"' if spec.accept else ""
    return f'{_kept(spec, state)}<input class="input" type="file"{takes}{attrs}>{UploadBar(id, state.upload)}'


def UploadBar(name: str, upload: str, *, text: str = "", file: str = "", received: int = 0, total: int = 0,
              tries: int | None = None, stopped: bool = False) -> str:
    """The bar of an upload. It asks for the first time when its form is sent, and then while there is something to ask.

    `tries`: None before the form is sent, else how often it has asked. `stopped`: the person has stopped it. Its button
    takes the place of the request of its form: the browser ends that, and the server drops what had come.
    """
    name = escape(name)
    at = f"/runs/uploads/{escape(upload)}?field={name}"
    if tries is None:
        return (f'<div id="{name}-bar" hx-get="{at}" hx-trigger="submit from:&quot;closest form&quot;" '
                f'hx-target="this" hx-swap="outerMorph settle:0">{STOPPED if stopped else ""}</div>')
    bar = (f'<div class="notice" role="group" aria-label="Upload"><p><b>{escape(file)}</b></p>'
           f'<span class="n">{escape(text)}</span><progress value="{received}" max="{total}" '
           f'aria-label="Uploading {escape(file)}"></progress><div class="acts"><button class="btn line sm" '
           f'type="button" aria-label="Stop uploading {escape(file)}" hx-get="{at}&amp;stopped=yes" '
           f'hx-target="#{name}-bar" hx-swap="outerMorph settle:0" hx-sync="closest form:replace">Stop</button></div>'
           "</div>") if total else ""
    return (f'<div id="{name}-bar" hx-get="{at}&amp;tries={tries + 1}" hx-trigger="every 500ms" '
            f'hx-target="this" hx-swap="outerMorph settle:0">{bar}</div>')
