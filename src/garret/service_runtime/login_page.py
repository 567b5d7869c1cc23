"""The login page: a form that works without a script, what it answers, and the way there and out again."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Mapping
from pathlib import Path
from string import Template
from urllib.parse import parse_qs, quote, urlencode

from fastapi import APIRouter, Request
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, RedirectResponse, Response

from garret.service_runtime.api.body import read_body
from garret.service_runtime.auth import Authenticator, check_origin
from garret.service_runtime.errors import BadRequest, Busy, Forbidden, WrongLogin
from garret.service_runtime.login_words import CHINESE, ENGLISH, LANGUAGES, WORDS, preferred
from garret.service_runtime.session_cookie import clearing, is_secure, is_sent, setting
from garret.service_runtime.session_door import SessionDoor, check_own_page
from garret.service_runtime.settings import MAXIMUM_LOGIN_BYTES, ServiceSettings

LOGIN, LOGOUT, STYLE = "/login", "/logout", "/ui/login.css"
OPEN = frozenset({("GET", LOGIN), ("HEAD", LOGIN), ("POST", LOGIN), ("POST", LOGOUT), ("GET", STYLE)})
"""What a stranger may ask for, where there is a login at all; the last two look themselves who asks."""
LANGUAGE_COOKIE, THEME_COOKIE = "garret_language", "garret_theme"
THEMES = ("light", "dark")
FIRST_DELAY_S, LONGEST_DELAY_S = 0.2, 2.0
"""How long the answer to a wrong login takes: twice as long each time."""
_UI = Path(__file__).resolve().parent / "ui"
# A path of this service; what browsers would read as another host's address, or not as it is written, is none.
_PATH = re.compile(r"/(?![/\\])[!#-;=?-\[\]^_a-z{|}~]{0,1000}")
_YEAR_S = 31_536_000
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def router(settings: ServiceSettings, authenticator: Authenticator, door: SessionDoor) -> APIRouter:
    """Return the routes; for a service that has a login."""
    routes = APIRouter(include_in_schema=False)

    @routes.api_route(LOGIN, methods=["GET", "HEAD"])
    async def show(request: Request) -> Response:
        """Show the form; whoever is in already goes on."""
        asked = request.query_params
        if door.owner(request, in_use=False):
            return RedirectResponse(path_on(asked.get("next", "")), 303)
        said = "out" if "out" in asked else "expired" if is_sent(request) else ""
        return _page(request, asked, said)

    @routes.post(LOGIN)
    async def enter(request: Request) -> Response:
        """Log in, and go on to where the way to the login page began."""
        if is_elsewhere(request):
            return _page(request, {}, "elsewhere", 403)
        form = _form(await read_body(request, settings.client_timeout_s, MAXIMUM_LOGIN_BYTES))
        login, password = form.get("login", "").strip(), form.get("password", "")
        if not login or not password:
            return _page(request, form, "missing", 400)
        address = request.client.host if request.client else ""
        try:
            identifier = await door.open(request, login, password, address)
        except WrongLogin:
            await asyncio.sleep(delay_s(authenticator.failures(address)))
            return _page(request, form, "wrong", 401)
        except Busy as error:
            return _page(request, form, "wait", 429, error.retry_after or 60)
        kept = setting(identifier, settings.session_s, secure=is_secure(request))
        return RedirectResponse(path_on(form.get("next", "")), 303, {"set-cookie": kept})

    @routes.post(LOGOUT)
    async def leave(request: Request) -> Response:
        """Log out, here and at the service."""
        if is_elsewhere(request):
            return _page(request, {}, "elsewhere", 403)
        await door.close(request)
        # What was typed and seen is not for whoever sits before this browser next; the choice of language may stay.
        gone = {"set-cookie": clearing(secure=is_secure(request)), "clear-site-data": '"cache", "storage"'}
        return RedirectResponse(f"{LOGIN}?out=1", 303, gone)

    @routes.get(STYLE)
    async def style() -> Response:
        return Response((_UI / "login.css").read_bytes(), media_type="text/css")

    return routes


def is_elsewhere(connection: HTTPConnection) -> bool:
    """Say whether a form does not come from this page, as far as the browser says; none says nothing."""
    try:
        check_origin(connection.headers, local_only=False)
        check_own_page(connection)
    except Forbidden:
        return True
    return False


def way_to_login(connection: HTTPConnection) -> Response:
    """Return what brings a browser to the login page, and from there back to what it asked for."""
    scope = connection.scope
    path = quote(scope["path"], safe="/!$&'()*+,;=:@~") + (f"?{connection.url.query}" if connection.url.query else "")
    wanted = path_on(path)
    return RedirectResponse(LOGIN if wanted == "/" else f"{LOGIN}?{urlencode({'next': wanted})}", 303)


def path_on(wanted: str) -> str:
    """Return where to go on: a path of this service that is no part of logging in, else the page."""
    ours = _PATH.fullmatch(wanted) is not None and not wanted.startswith((LOGIN, LOGOUT))
    return wanted if ours else "/"


def delay_s(failures: int) -> float:
    """Return how long the answer to the n-th wrong login of a minute takes."""
    return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** max(0, failures - 1))


def _form(body: bytes) -> dict[str, str]:
    try:
        found = parse_qs(body.decode("utf-8"), max_num_fields=16, errors="strict")
    except ValueError:
        raise BadRequest("body", "is no form", "Send login and password as a form of the page does") from None
    return {name: values[0] for name, values in found.items()}


def _page(request: Request, asked: Mapping[str, str], said: str, status: int = 200, seconds: int = 0) -> Response:
    """Return the page, in the language and colours that were asked for now, or before, or that the browser prefers."""
    language = _choice(request, asked.get("lang", ""), LANGUAGE_COOKIE, LANGUAGES)
    theme = _choice(request, asked.get("theme", ""), THEME_COOKIE, THEMES)
    spoken = language or preferred(request.headers.get("accept-language", ""))
    values = _values(spoken, theme, path_on(asked.get("next", "")), asked.get("login", "")[:64])
    values |= {"said": _said(spoken, said, seconds), "again": _again(request, asked)}
    text = Template((_UI / "login.html").read_text(encoding="utf-8")).substitute(values)
    headers = {"content-security-policy": _POLICY, "vary": "Cookie, Accept-Language"}
    if seconds:
        headers["retry-after"] = str(seconds)
    answer = HTMLResponse(text, status, headers)
    for name, value in (("lang", language), ("theme", theme)):
        if asked.get(name) == value and value:
            cookie = LANGUAGE_COOKIE if name == "lang" else THEME_COOKIE
            answer.set_cookie(cookie, value, _YEAR_S, secure=is_secure(request), samesite="strict")
    return answer


def _choice(request: Request, asked: str, cookie: str, choices: tuple[str, ...]) -> str:
    return next((one for one in (asked, request.cookies.get(cookie, "")) if one in choices), "")


def _again(request: Request, asked: Mapping[str, str]) -> str:
    """Have the page asked for once more where another site led here: a browser keeps a strict cookie back then.

    A form of another site is told why it is refused, and nothing else happens by itself.
    """
    led_here = request.method != "POST" and request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
    if not led_here or "again" in asked:
        return ""
    here = f"{LOGIN}?{urlencode({'next': path_on(asked.get('next', '')), 'again': '1'})}"
    return f'<meta http-equiv="refresh" content="0;url={html.escape(here)}">'


def _said(language: str, said: str, seconds: int) -> str:
    if not said:
        return ""
    wrong = said in ("wrong", "missing", "wait", "elsewhere")
    words = html.escape(WORDS[language][said].format(seconds=seconds))
    return f'<p class="said{" wrong" if wrong else ""}" role="{"alert" if wrong else "status"}">{words}</p>'


def _values(language: str, theme: str, wanted: str, login: str) -> dict[str, str]:
    """Return what stands in the page's places, made harmless."""
    words = WORDS[language]
    other = CHINESE if language == ENGLISH else ENGLISH
    return {name: html.escape(text) for name, text in words.items()} | {
        "theme": theme,
        "typed": html.escape(login),
        "next": html.escape(wanted),
        "focus_login": "" if login else " autofocus",
        "focus_password": " autofocus" if login else "",
        "other_tag": WORDS[other]["tag"],
        "language_link": html.escape(_link(wanted, lang=other)),
        "light_link": html.escape(_link(wanted, theme="light")),
        "dark_link": html.escape(_link(wanted, theme="dark")),
        "light_now": ' aria-current="true"' if theme == "light" else "",
        "dark_now": ' aria-current="true"' if theme == "dark" else "",
    }


def _link(wanted: str, **choice: str) -> str:
    return f"{LOGIN}?{urlencode({**choice, 'next': wanted})}"
