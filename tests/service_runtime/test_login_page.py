"""The login page: the one page a stranger sees, the session that it opens, and how that ends."""

from __future__ import annotations

import html

import pytest

from garret import __version__
from garret.service_runtime.login_page import path_on
from garret.service_runtime.login_words import WORDS
from tests.service_runtime.conftest import LOGIN, PASSWORD, TOKEN, basic
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
        "/ui/docs.css",
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
            form = f"login={LOGIN}&password={PASSWORD}".encode()
            refused = stranger(service).call("POST", path, form, **sent)
            assert (refused.status, "did not come from this page" in refused.body.decode()) == (403, True), path
            assert "set-cookie" not in refused.headers


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


def test_the_form_tells_nothing_but_itself(service: Service) -> None:
    """No version, no name of the deployment, no script; its policy lets it do nothing but be sent."""
    shown = stranger(service).call("GET", "/login")
    text, policy = shown.body.decode(), shown.headers["content-security-policy"]
    for word in (__version__, "0.1", "<script", "http:", "https:", "style="):
        assert word not in text, word
    assert "form-action 'self'" in policy
    assert "script-src" not in policy
    assert "form-action 'none'" in service.call("GET", "/docs").headers["content-security-policy"]
    assert shown.headers["cache-control"] == "no-store"
    assert stranger(service).call("GET", "/ui/login.css").headers["content-type"].startswith("text/css")


@pytest.mark.parametrize(
    ("query", "headers", "language"),
    [
        ("", {}, "en"),
        ("", {"Accept_Language": "zh-CN,zh;q=0.9,en;q=0.8"}, "zh-CN"),
        ("", {"Accept_Language": "fr, zh;q=0.2, en;q=0.7"}, "en"),
        ("", {"Accept_Language": "zh;q=x, ,;q=1, en;q=-1," + "a," * 4000}, "zh-CN"),
        ("?lang=zh", {"Accept_Language": "en"}, "zh-CN"),
        ("?lang=xx", {"Accept_Language": "en"}, "en"),
        ("", {"Accept_Language": "en", "Cookie": "garret_language=zh"}, "zh-CN"),
        ("?lang=en", {"Cookie": "garret_language=zh"}, "en"),
    ],
)
def test_the_page_speaks_the_readers_language(
    service: Service, query: str, headers: dict[str, str], language: str
) -> None:
    """The one that was asked for, else the one chosen before, else the browser's."""
    shown = stranger(service, **headers).call("GET", "/login" + query)
    assert f'<html lang="{language}"' in shown.body.decode()
    chosen = query.removeprefix("?lang=")
    assert ("garret_language" in shown.headers.get("set-cookie", "")) is (chosen in ("en", "zh"))


def test_both_languages_say_the_same_things() -> None:
    """And say different words for them."""
    assert set(WORDS["en"]) == set(WORDS["zh"])
    assert not [name for name in WORDS["en"] if WORDS["en"][name] == WORDS["zh"][name]]


def test_what_somebody_typed_stays_text(service: Service) -> None:
    """In the form that comes back with the words, with the way on, and without the password."""
    typed, wanted = '"><script>alert(1)</script>$title', "/docs?a='x'&b=1"
    answer = send_form(stranger(service, Accept_Language="zh"), login=typed, password="<guess>", next=wanted)
    text = answer.body.decode()
    assert answer.status == 401
    assert "www-authenticate" not in answer.headers
    assert "用户名或密码错误" in text
    assert f'value="{html.escape(typed)}"' in text
    assert f'value="{html.escape(wanted)}"' in text
    assert "<script" not in text
    assert "guess" not in text


@pytest.mark.parametrize(
    "body",
    [
        b"", b"login=a", b"password=b", b"login=+&password=b", b"{}", b"login=%ff&password=x", b"\xff=1", b"&" * 100,
        b"login=a&" + b"x=1&" * 40, b"login[]=a&password[]=b", b"%00", b"login=a;password=b",
    ],
)  # fmt: skip
def test_a_form_without_a_login_is_no_try(service: Service, body: bytes) -> None:
    """Nor an error of the service."""
    answer = send_form(stranger(service), body=body)
    assert answer.status in (400, 422), answer.body
    assert "set-cookie" not in answer.headers


def test_a_form_as_large_as_a_film_is_refused_before_it_is_read(service: Service) -> None:
    """By its announced length, or where it goes past the bound."""
    said = stranger(service, Origin=own_origin(service))
    assert said.call("POST", "/login", b"login=a&password=" + b"b" * 8192).status == 413
    announced = said.connect()
    announced.putrequest("POST", "/login")
    for name, value in (("Origin", own_origin(service)), ("Content-Length", "10000000")):
        announced.putheader(name, value)
    announced.endheaders(b"login=a&")
    assert announced.getresponse().status == 413
    announced.close()


@pytest.mark.parametrize(
    "value",
    [
        "", "x", "A" * 42, "A" * 43, "A" * 44, "A" * 9000, "../../etc/passwd",
        '"quoted"', "A" * 42 + "é", "=;=;", "%00" * 14,
        "a; " * 4000, "; ".join(f"garret_session={'B' * 42}{digit}" for digit in range(10)),
    ],
)  # fmt: skip
def test_forged_and_garbled_cookies_open_nothing(service: Service, value: str) -> None:
    """However many; and beside the login by a header they are nothing at all."""
    visitor = stranger(service, Cookie=f"garret_session={value}".encode().decode("latin-1"))
    for path in ("/v1/jobs", "/sdapi/v1/options"):
        told = visitor.call("GET", path)
        assert (told.status, told.json["code"]) == (401, "session_expired")
        assert visitor.call("GET", path, Authorization=f"Bearer {TOKEN}").status == 200
    assert visitor.call("GET", "/login").status == 200


def test_among_several_cookies_the_good_one_counts(service: Service) -> None:
    """Another port of the host can add to them, which shall lock nobody out; too many are not looked through."""
    good = log_in(service).headers["Cookie"]
    bad = [f"garret_session={'B' * 42}{digit}" for digit in range(9)]
    assert stranger(service, Cookie=f"{bad[0]}; {good}; {good}").call("GET", "/v1/jobs").status == 200
    assert stranger(service, Cookie="; ".join([*bad, good])).call("GET", "/v1/jobs").status == 401
    many = "; ".join(f"c{number}=" for number in range(2000))
    assert stranger(service, Cookie=f"{many}; {good}").call("GET", "/v1/jobs").status == 200


def test_a_header_says_more_than_a_cookie(service: Service) -> None:
    """A wrong one is refused, a right one says who calls."""
    inside = log_in(service)
    assert inside.call("GET", "/v1/jobs", Authorization=basic(LOGIN, "wrong")).status == 401
    assert inside.call("GET", "/v1/jobs", Authorization=f"Bearer {TOKEN}").status == 200
    assert inside.call("POST", "/machine/page", {}, Authorization=f"Bearer {TOKEN}").status == 200


def test_what_leads_here_from_another_site_asks_once_more(service: Service) -> None:
    """A browser keeps the cookie back then, and somebody who is logged in would be shown the form."""
    visitor = stranger(service, Sec_Fetch_Site="cross-site", **PAGE)
    text = visitor.call("GET", "/login?next=/docs").body.decode()
    assert '<meta http-equiv="refresh" content="0;url=/login?next=%2Fdocs&amp;again=1">' in text
    assert "http-equiv" not in visitor.call("GET", "/login?next=%2Fdocs&again=1").body.decode()
    assert "http-equiv" not in stranger(service).call("GET", "/login").body.decode()
