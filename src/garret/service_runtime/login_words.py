"""What the login page says, in each language that it speaks, and which one a browser would rather have."""

# ruff: noqa: RUF001  (Chinese has commas of its own)
from __future__ import annotations

ENGLISH, CHINESE = "en", "zh"
LANGUAGES = (ENGLISH, CHINESE)
WORDS = {
    ENGLISH: {
        "tag": "en",
        "title": "Log in",
        "login": "Login",
        "password": "Password",
        "enter": "Log in",
        "other_language": "中文",
        "light": "Light",
        "dark": "Dark",
        "look": "Language and colours",
        "wrong": "The login or the password is wrong.",
        "missing": "Give both the login and the password.",
        "wait": "Too many failed logins from this address. Try again in {seconds} s.",
        "elsewhere": "This form did not come from this page. Try it again here.",
        "expired": "Your login has ended. Log in again to go on where you were.",
        "out": "You are logged out.",
    },
    CHINESE: {
        "tag": "zh-CN",
        "title": "登录",
        "login": "用户名",
        "password": "密码",
        "enter": "登录",
        "other_language": "English",
        "light": "浅色",
        "dark": "深色",
        "look": "语言与配色",
        "wrong": "用户名或密码错误。",
        "missing": "请输入用户名和密码。",
        "wait": "此地址登录失败次数过多，请在 {seconds} 秒后重试。",
        "elsewhere": "该表单并非来自本页面，请在此重试。",
        "expired": "登录已失效，请重新登录后继续。",
        "out": "您已退出登录。",
    },
}


def preferred(accept_language: str) -> str:
    """Return the first language of an Accept-Language header that the page speaks; English where it names none."""
    wishes = []
    for position, part in enumerate(accept_language[:500].split(",")):
        tag, _, weight = part.strip().lower().partition(";")
        language = tag.strip().partition("-")[0]
        if language in LANGUAGES:
            wishes.append((-_weight(weight), position, language))
    return min(wishes)[2] if wishes else ENGLISH


def _weight(text: str) -> float:
    name, _, value = text.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0
