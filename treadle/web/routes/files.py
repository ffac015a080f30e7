"""Files of runs, by id: always a download, never a page of ours."""

from urllib.parse import quote

from fasthtml.core import APIRouter
from starlette.responses import FileResponse, Response

from ...errors import Refused
from ...text import storable
from ..deps import Web

ar = APIRouter()


def download_headers(web: Web, name: str) -> dict[str, str]:
    """The headers of a download (RFC 6266). Raises `Refused` to htmx, which would put the file into the page."""
    if "hx-request" in web.request.headers:
        raise Refused("A file is not part of a page.", hint="Follow the link itself.")
    name = storable(name)
    ascii_name = "".join(c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in name)
    return {
        "content-disposition": f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}",
        "content-security-policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
    }


@ar.get("/files/{id}")
async def download(web: Web, id: str) -> Response:
    """The bytes of one file. Its id is looked up; nothing in the address ever becomes a path."""
    file = web.core.files.get(id)
    return FileResponse(file.path, media_type="application/octet-stream", headers=download_headers(web, file.name))
