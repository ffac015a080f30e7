"""A browser without JavaScript, as far as tests need it: it finds a form and sends it with what is typed."""

from __future__ import annotations

from typing import Any

import httpx

from tests.partials import Node, parse


def forms(html: str) -> list[Node]:
    """All forms of a page, in order."""
    return [node for node in parse(html).walk() if node.tag == "form"]


def form_to(html: str, path: str) -> Node:
    """The one form whose action begins with `path`."""
    found = [form for form in forms(html) if form.attrs["action"].startswith(path)]
    assert len(found) == 1, [form.attrs["action"] for form in forms(html)]
    return found[0]


def fields(form: Node) -> dict[str, list[str]]:
    """What a browser sends of a form nobody has touched; no button, no file."""
    sent: dict[str, list[str]] = {}
    for node in form.walk():
        name, kind = node.attrs.get("name"), node.attrs.get("type", "text")
        if name is None or node.tag == "button" or kind == "file":
            continue
        if kind in ("radio", "checkbox") and "checked" not in node.attrs:
            continue
        if node.tag == "select":
            options = [option for option in node.walk() if option.tag == "option"]
            value = next((o for o in options if "selected" in o.attrs), options[0]).attrs["value"]
        else:
            value = node.text if node.tag == "textarea" else node.attrs.get("value", "")
        sent.setdefault(name, []).append(value)
    return sent


async def submit(client: httpx.AsyncClient, form: Node, *, file: tuple[str, bytes] | None = None,
                 headers: dict[str, str] | None = None, **typed: Any) -> httpx.Response:
    """Send a form. `typed` replaces fields; `file`: name and bytes for its file field."""
    data = {**fields(form), **{name: [value] for name, value in typed.items()}}
    if form.attrs["method"] == "get":
        return await client.get(form.attrs["action"], params=data, headers=headers)
    files = None
    if form.attrs.get("enctype") == "multipart/form-data":
        files = {"value": file if file is not None else ("", b"")}
    return await client.post(form.attrs["action"], data=data, files=files, headers=headers)
