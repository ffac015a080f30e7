"""`/model`: choosing the model and its address, downloading one; and the page of it, without JavaScript.

With JavaScript the page's stream redraws what has changed; the answers hold only what the stream cannot know, such as
the closed form. Without, every post answers 303 to the page.
"""

from dataclasses import dataclass

from fasthtml.common import NotStr
from fasthtml.core import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ...errors import InvalidAnswer
from ..components.model import ENCODING, AddressField, AddressForm, Condition, Installed, ModelPicker
from ..deps import Web
from ..layout import page

ar = APIRouter()


@dataclass
class ModelForm:
    """`model`: a name as Ollama has it."""

    model: str = ""


@dataclass
class AddressTyped:
    """`address`: as a person writes it; empty means the usual one."""

    address: str = ""


@ar.get("/model")
async def show(web: Web) -> Response:
    """The model's page: its state, what is installed, the address."""
    return _page(web)


@ar.post("/model/choose")
async def choose(web: Web, form: ModelForm) -> Response:
    """Remember which model answers. One that has vanished meanwhile is a 422 with the list as it is now."""
    status = 200
    try:
        await web.core.llm.choose(form.model)
    except InvalidAnswer:
        status = 422
    if web.fragment:
        return HTMLResponse(str(ModelPicker(web.core.llm.status, focus=True)), status)
    return _page(web, status=status) if status != 200 else _back(web)


@ar.post("/model/address")
async def address(web: Web, form: AddressTyped) -> Response:
    """Use another Ollama, and look what is there; what is no address is refused at its field."""
    try:
        await web.core.llm.set_address(form.address)
    except InvalidAnswer as error:
        if web.fragment:
            return HTMLResponse(str(AddressForm(form.address, error=error.message)), 422)
        return _page(web, typed=form.address, error=error.message, status=422)
    if web.fragment:
        model = web.core.llm.status  # drawn anew, the list behind the form is closed with it
        return HTMLResponse(f'{AddressForm(model.host)}<hx-partial hx-target="#model" hx-swap="outerHTML settle:0">'
                            f"{ModelPicker(model, focus=True)}</hx-partial>")
    return _back(web)


@ar.post("/model/pull")
async def pull(web: Web, form: ModelForm) -> Response:
    """Begin to download a model."""
    web.core.llm.pull(form.model)
    return Response(status_code=204) if web.fragment else _back(web)


@ar.post("/model/pull/stop")
async def stop_pull(web: Web) -> Response:
    """Stop the download. After its end there is nothing to stop, which is no error."""
    web.core.llm.stop_pull()
    return Response(status_code=204) if web.fragment else _back(web)


def _back(web: Web) -> Response:
    return RedirectResponse(web.url("/model"), 303)


def _page(web: Web, *, typed: str | None = None, error: str = "", status: int = 200) -> Response:
    model = web.core.llm.status
    field = AddressField(model.host if typed is None else typed, error=error, id="model-page-address")
    parts = []
    if model.kind != "demo":
        parts += [str(Installed(model, plain=True)), f'<form class="stack" method="post" action="/model/address" '
                  f'{ENCODING}>{field}<button class="btn line">Save</button></form>']
    parts.append(f'<a href="/chat/{web.conversation}">Back to the chat</a>')
    head = '<div class="head"><h1>Model</h1><p>The model that answers in the chat. It runs in Ollama.</p></div>'
    body = NotStr(f'{head}{Condition(model, here=True)}<div class="stack">{"".join(parts)}</div>')
    return page(web, title="Model", body=body, endpoint="model", status=status)
