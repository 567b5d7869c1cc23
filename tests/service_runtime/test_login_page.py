"""The login page: the one page a stranger sees, the session that it opens, and how that ends."""

from __future__ import annotations

import pytest

from garret.service_runtime.login_page import path_on
from tests.service_runtime.conftest import LOGIN, PASSWORD, TOKEN
from tests.service_runtime.living import Service
from tests.service_runtime.visiting import cookie_of, log_in, own_origin, send_form, stranger

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Sec_Fetch_Mode": "navigate"}


def test_somebody_in_a_browser_is_led_to_the_login_and_back(service: Service) -> None:
    """With the way there, and to nothing else; programs are told 401."""
    visitor = stranger(service)
    shown = visitor.call("GET", "/", **PAGE)
    assert (shown.status, shown.headers["location"]) == (303, "/login")
    wanted = visitor.call("GET", "/v1/jobs?limit=3&state=Success", **PAGE)
    assert wanted.headers["location"] == "/login?next=%2Fv1%2Fjobs%3Flimit%3D3%26state%3DSuccess"
    form = visitor.call("GET", wanted.headers["location"], **PAGE)
    assert form.status == 200
    assert 'name="next" value="/v1/jobs?limit=3&amp;state=Success"' in form.body.decode()
    entered = send_form(visitor, login=LOGIN, password=PASSWORD, next="/v1/jobs?limit=3&state=Success")
    assert (entered.status, entered.headers["location"]) == (303, "/v1/jobs?limit=3&state=Success")
    assert stranger(service, Cookie=cookie_of(entered)).call("GET", entered.headers["location"]).status == 200
    assert visitor.call("GET", "/").headers["www-authenticate"].startswith("Basic")


def test_the_cookie_is_for_this_service_alone(service: Service) -> None:
    """No script reads it and no other site's page sends it."""
    said = send_form(stranger(service), login=LOGIN, password=PASSWORD).headers["set-cookie"]
    assert said.startswith("garret_session=")
    assert [part.strip() for part in said.split(";")[1:]] == [
        "Max-Age=604800", "Path=/", "HttpOnly", "SameSite=Strict"
    ]  # fmt: skip


def test_the_session_opens_every_door_and_a_token_may_stand_for_the_password(service: Service) -> None:
    """The APIs, the page, the description, the metrics; it is the login's owner who calls."""
    inside = log_in(service)
    paths = (
        "/",
        "/docs",
        "/openapi.json",
        "/metrics",
        "/v1/jobs",
        "/sdapi/v1/options",
        "/v1/engines/list",
        "/ui/page.js",
    )
    for path in paths:
        assert inside.call("GET", path).status == 200, path
    assert inside.call("GET", "/login").headers["location"] == "/"
    assert inside.call("GET", "/login?next=/docs").headers["location"] == "/docs"
    assert send_form(stranger(service), login="anybody", password=TOKEN).status == 303


def test_what_is_made_with_the_token_is_in_the_gallery_of_the_login(service: Service) -> None:
    """They are the same person: `garret generate` sends the token."""
    small = {"prompt": "one person", "width": 64, "height": 64, "steps": 2}
    made = service.call("POST", "/v1/jobs?wait=20", small).json
    inside = log_in(service)
    assert inside.call("GET", f"/v1/jobs/{made['id']}").json["state"] == "Success"
    assert made["id"] in inside.call("GET", "/v1/images?text=one%20person").body.decode()
    by_page = inside.call("POST", "/v1/jobs?wait=20", small, Origin=own_origin(service)).json
    assert service.call("GET", f"/v1/jobs/{by_page['id']}").status == 200


def test_logging_out_ends_it_for_whoever_kept_the_cookie(service: Service) -> None:
    """The other tab is told that it has ended, in words that its page can tell from others."""
    inside = log_in(service)
    other = log_in(service)
    left = send_form(inside, "/logout")
    assert (left.status, left.headers["location"]) == (303, "/login?out=1")
    assert "garret_session=; Max-Age=0" in left.headers["set-cookie"]
    told = inside.call("GET", "/v1/jobs")
    assert (told.status, told.json["code"]) == (401, "session_expired")
    assert "www-authenticate" not in told.headers
    assert other.call("GET", "/v1/jobs").status == 200
    # A browser that has forgotten the cookie: its other tab's page asks.
    gone = stranger(service).call("GET", "/v1/jobs", Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors")
    assert (gone.status, gone.json["code"], "www-authenticate" in gone.headers) == (401, "session_expired", False)
    assert "You are logged out" in stranger(service).call("GET", "/login?out=1").body.decode()


def test_a_login_begins_a_session_anew(service: Service) -> None:
    """An id that somebody has put into the browser is never the one that is logged in (fixation)."""
    planted = "garret_session=" + "A" * 43
    entered = send_form(stranger(service, Cookie=planted), login=LOGIN, password=PASSWORD)
    assert cookie_of(entered) != planted
    assert stranger(service, Cookie=planted).call("GET", "/v1/jobs").status == 401
    again = send_form(stranger(service, Cookie=cookie_of(entered)), login=LOGIN, password=PASSWORD)
    assert cookie_of(again) != cookie_of(entered)
    assert stranger(service, Cookie=cookie_of(entered)).call("GET", "/v1/jobs").status == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "https://{own}"}, 403),
        ({"Origin": "http://{own}/x"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "none"}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Origin": "http://{own}"}, 403),
        ({"Sec_Fetch_Site": "same-origin", "Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Origin": "http://{own}"}, 200),
        ({"Sec_Fetch_Site": "same-origin", "Origin": "http://{own}"}, 200),
    ],
)
def test_with_the_cookie_only_the_services_own_page_changes_anything(
    service: Service, headers: dict[str, str], status: int
) -> None:
    """SameSite alone would let another port of this host do it; who says nothing of where it is from is refused."""
    inside = log_in(service)
    sent = {name: text.format(own=f"{service.host}:{service.port}") for name, text in headers.items()}
    assert inside.call("POST", "/machine/page", {}, **sent).status == status
    if status == 403:
        assert send_form(inside, "/logout").status == 303  # and it was there all along
        for path in ("/login", "/logout"):
            assert stranger(service).call("POST", path, b"login=a&password=b", **sent).status == 403, path


def test_another_ports_page_reads_nothing_with_the_cookie(service: Service) -> None:
    """Going there is another matter: it shows nobody anything but whoever sits before it."""
    inside = log_in(service)
    for site in ("same-site", "cross-site"):
        assert inside.call("GET", "/v1/jobs", Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors").status == 403
    assert inside.call("GET", "/", Sec_Fetch_Site="same-site", **PAGE).status == 200


@pytest.mark.parametrize(
    ("wanted", "way"),
    [
        ("/docs", "/docs"), ("/v1/jobs?a=b&c=d%20e", "/v1/jobs?a=b&c=d%20e"), ("", "/"), ("/", "/"),
        ("//evil.example", "/"), ("/\\evil.example", "/"), ("https://evil.example", "/"), ("evil.example", "/"),
        ("/\t/evil.example", "/"), ("\n//evil.example", "/"), ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("/a\\..\\b", "/"), ('/"><script>', "/"), ("/é", "/"), ("/login?next=/login", "/"), ("/logout", "/"),
        ("/" + "a" * 2000, "/"), ("/@evil.example", "/@evil.example"),
    ],
)  # fmt: skip
def test_the_way_on_is_a_path_of_this_service(wanted: str, way: str) -> None:
    """Else the form would send whoever trusts it anywhere (open redirect)."""
    assert path_on(wanted) == way
