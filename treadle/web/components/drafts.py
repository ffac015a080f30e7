"""What stands at a field that the model drafts: who writes, and how the person takes over."""

from __future__ import annotations

from html import escape

from ...fields.drafts import Draft
from ...text import counted

NONE = "No model is ready, so there is no draft. Write your own."


def DraftLine(slug: str, at: str, draft: Draft | None, *, ready: bool) -> str:
    """The line under the field. `at`: the address of the draft. It asks for one once it is in a page, and what has been
    written since while the model writes; the first key press ends that."""
    id, at = f"f-{slug}-draft", escape(at)
    swap = f'hx-target="#{id}" hx-swap="outerMorph settle:0"'
    if draft is None:
        asks = f' hx-post="{at}" hx-trigger="load" {swap}' if ready else ""
        return f'<div class="full hint" id="{id}"{asks}>{"" if ready else NONE}</div>'
    if draft.taken:
        return f'<div class="full hint" id="{id}">Yours since you typed. {_words(draft)}</div>'
    if draft.state == "failed":
        return f'<div class="full hint" id="{id}">The draft ended early. {escape(draft.problem)}</div>'
    model, asks = escape(draft.model), ""
    said = f"Drafted by {model}; change what you like." if draft.state == "done" else f"Stopped. {_words(draft)}"
    if draft.state == "writing":
        asks = f' hx-get="{at}?seen={len(draft.text)}" hx-trigger="every 500ms" {swap}'
        said = f"{model} is drafting. Type to take over."
    typing = f'<i hidden hx-post="{at}?taken=yes" hx-trigger="input from:#f-{slug} once" {swap}></i>'
    return (f'<div class="full" id="{id}"{asks}><p class="hint state warn" role="status">{said}</p>{typing}</div>')


def DraftAct(slug: str, run: str, at: str, draft: Draft | None, *, ready: bool) -> str:
    """The button beside Save: to have it drafted, without JavaScript; to stop; to have it back."""
    id, at = f"f-{slug}-act", escape(at)
    button = ""
    if draft is None and ready:
        button = (f'<noscript><button class="btn ghost" type="submit" formaction="{at}">Have it drafted</button>'
                  "</noscript>")
    elif draft is not None and draft.state == "writing" and not draft.taken:
        button = (f'<button class="btn ghost" type="submit" formaction="{at}?stop=yes" hx-post="{at}?stop=yes" '
                  f'hx-target="#f-{slug}-draft" hx-swap="outerMorph settle:0">Stop the draft</button>')
    elif draft is not None and draft.taken and draft.text:
        button = (f'<button class="btn ghost" type="submit" formaction="{at}?back=yes" hx-post="{at}?back=yes" '
                  f'hx-target="#run-{escape(run)}" hx-swap="outerHTML">Bring the draft back</button>')
    return f'<span id="{id}">{button}</span>'


def _words(draft: Draft) -> str:
    return f"The draft has {counted(len(draft.text.split()), 'word')}."
