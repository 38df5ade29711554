"""GET /static/{name}: what pages are made of, from the package itself. Anything else under that path is not there."""

from functools import cache

from aiohttp import web

from hub.web.pages import STATIC

_TYPES = {
    ".woff2": "font/woff2",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}


@cache
def _files() -> dict[str, tuple[bytes, str]]:
    return {file.name: (file.read_bytes(), _TYPES[file.suffix]) for file in STATIC.iterdir() if file.suffix in _TYPES}


async def show_file(request: web.Request) -> web.Response:
    """The file."""
    found = _files().get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    body, kind = found
    charset = "utf-8" if kind.startswith("text/") else None
    return web.Response(body=body, content_type=kind, charset=charset)


ROUTES = [web.get("/static/{name}", show_file)]
