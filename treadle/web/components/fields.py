"""One field per kind of question. A single question has no second label: its step's title is the label."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from ...fields import FieldSpec
from ...files import File, megabytes
from .icons import icon
from .shows import prose

SEGMENTS = 3  # options up to this many, if short, stand side by side
DROPDOWN = 6  # from this many on, options are a dropdown


def Field(spec: FieldSpec, slug: str, *, value: Any = None, typed: Sequence[str] | None = None, error: str = "",
          kept: File | None = None, waits: bool = False, focus: bool = False, upload: str = "") -> str:
    """The field of a question, with what was typed where a form comes back.

    `value`: the default, or an earlier answer. `typed`: what a refused form held. `kept`: the file that counts when no
    other is chosen; `waits`: it came with a refused form. `upload`: the id under which the bar asks for progress.
    """
    name = f"f-{slug}"
    texts = typed if typed is not None else ([] if value is None else [spec.text(value)])
    help = _help(spec)
    described = " ".join(part for part in (f"{name}-err" if error else "", f"{name}-help" if help else "") if part)
    attrs = (f' id="{name}" name="value"' + (f' aria-describedby="{described}"' if described else "")
             + (' aria-invalid="true"' if error else "") + (" autofocus" if focus else ""))
    draw = {"long_text": _long_text, "yes_no": _yes_no, "choice": _choice, "upload": _upload}.get(spec.kind, _line)
    inner = _upload(spec, name, attrs, kept, waits, upload) if draw is _upload else draw(spec, name, attrs, texts)
    problem = (f'<p class="err" id="{name}-err">{icon("circle-alert", small=True)}<span>{escape(error)}</span></p>'
               if error else "")
    help = f'<div class="hint" id="{name}-help">{help}</div>' if help else ""
    if spec.kind in ("yes_no", "choice") and "<select" not in inner:
        return (f'<fieldset class="field full"{_described(described)}><legend class="sr">{escape(spec.label)}</legend>'
                f"{inner}{problem}{help}</fieldset>")
    return (f'<div class="field full"><label class="sr" for="{name}">{escape(spec.label)}</label>{inner}{problem}{help}'
            "</div>")


def _described(ids: str) -> str:
    return f' aria-describedby="{ids}"' if ids else ""


def _help(spec: FieldSpec) -> str:
    """What stands under the field: the author's help, the limit, and that it may be left empty."""
    parts = [prose(spec.help)] if spec.help else []
    facts = [f"At most {spec.max_length:,} characters."] if spec.max_length is not None else []
    facts += ["Optional."] if spec.optional and (spec.nullable or spec.kind != "choice") else []
    return "".join(parts) + (f"<p>{' '.join(facts)}</p>" if facts else "")


def _line(spec: FieldSpec, name: str, attrs: str, texts: Sequence[str]) -> str:
    # a whole number is typed as text: a number field would not send what it cannot read, and it would be lost
    mode = ' inputmode="numeric"' if spec.kind == "whole_number" else ""
    hint = f' placeholder="{escape(spec.placeholder)}"' if spec.placeholder else ""
    return f'<input class="input" type="text"{attrs}{mode}{hint} value="{escape(texts[-1] if texts else "")}">'


def _long_text(spec: FieldSpec, name: str, attrs: str, texts: Sequence[str]) -> str:
    hint = f' placeholder="{escape(spec.placeholder)}"' if spec.placeholder else ""
    # the browser drops the first line end of a textarea: one of ours is there to be dropped
    return f'<textarea class="input" rows="6"{attrs}{hint}>\n{escape(texts[-1] if texts else "")}</textarea>'


def _yes_no(spec: FieldSpec, name: str, attrs: str, texts: Sequence[str]) -> str:
    checked = " checked" if texts and texts[-1].lower() in ("yes", "true", "on", "1") else ""
    return (f'<label class="check"><input type="checkbox" value="yes"{attrs}{checked}>'
            '<span><span class="label">Yes</span></span></label>')


def _choice(spec: FieldSpec, name: str, attrs: str, texts: Sequence[str]) -> str:
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
    short = len(options) <= SEGMENTS and all(len(text) <= 16 for _, text in options)
    items, look = "", "" if short else ' class="check"'
    attrs, focus, _ = attrs.partition(" autofocus")  # it belongs to the chosen one, as with the Tab key
    focused = next((n for n, (value, _) in enumerate(options) if value == chosen), 0)
    for number, (value, text) in enumerate(options):
        own = attrs if number == 0 else ' name="value"'  # what describes the field stands at the first one
        own += focus if number == focused else ""
        checked = " checked" if value == chosen else ""
        words = escape(text) if short else f'<span class="label">{escape(text)}</span>'
        items += (f'<label{look}><input type="radio" value="{escape(value)}"{own}{checked}>'
                  f"<span>{words}</span></label>")
    return f'<div class="{"seg" if short else "checks"}">{items}</div>'


def _upload(spec: FieldSpec, name: str, attrs: str, kept: File | None, waits: bool, upload: str) -> str:
    row = ""
    if kept is not None:
        how = "Sent with the form and kept" if waits else "Your earlier answer"
        drop = ('<div class="end"><label class="check"><input type="checkbox" name="drop" value="yes">'
                "<span>Leave it out</span></label></div>" if spec.optional else "")
        row = (f'<ul class="rows"><li>{icon("file-text")}<div><span class="nm">{escape(kept.name)}</span>'
               f'<p class="sub">{how}, {megabytes(kept.size)}. Choose another to replace it.</p></div>{drop}</li></ul>')
    return f'{row}<input class="input" type="file"{attrs}>{UploadBar(name, upload)}'


def UploadBar(name: str, upload: str, *, text: str = "", file: str = "", received: int = 0, total: int = 0,
              tries: int | None = None) -> str:
    """The bar of an upload. It asks for the first time when its form is sent, and then while there is something to ask.

    `tries`: None before the form is sent, else how often it has asked.
    """
    name = escape(name)
    at = f"/runs/uploads/{escape(upload)}?field={name}"
    if tries is None:
        return (f'<div id="{name}-bar" hx-get="{at}" hx-trigger="submit from:&quot;closest form&quot;" '
                'hx-target="this" hx-swap="outerMorph settle:0"></div>')
    bar = (f'<div class="notice" role="group" aria-label="Upload"><p><b>{escape(file)}</b></p>'
           f'<span class="n">{escape(text)}</span><progress value="{received}" max="{total}" '
           f'aria-label="Uploading {escape(file)}"></progress></div>') if total else ""
    return (f'<div id="{name}-bar" hx-get="{at}&amp;tries={tries + 1}" hx-trigger="every 500ms" '
            f'hx-target="this" hx-swap="outerMorph settle:0">{bar}</div>')
