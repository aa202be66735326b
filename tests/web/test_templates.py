"""Every template compiles, and nothing in templates and static files is inline or from elsewhere. No database."""

import re
from pathlib import Path

import pytest
from django.template.loader import get_template, render_to_string
from django.test import override_settings

import tollbook
from tollbook.web.templatetags.tollbook import ICONS

HOME = Path(tollbook.__file__).parent
TEMPLATES = sorted((HOME / "templates").rglob("*.html"))
STATIC = sorted(path for path in (HOME / "static").rglob("*") if path.suffix in {".css", ".js", ".svg"})
NAMES = [str(path.relative_to(HOME / "templates")) for path in TEMPLATES]

INLINE_SCRIPT = re.compile(r"<script(?![^>]*\ssrc=)", re.IGNORECASE)
INLINE_STYLE = re.compile(r"<style\b|\sstyle\s*=", re.IGNORECASE)
HANDLER = re.compile(r"<[^>]*\son[a-z]+\s*=", re.IGNORECASE)
ELSEWHERE = re.compile(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//""", re.IGNORECASE)


@pytest.mark.parametrize("name", NAMES)
def test_every_template_compiles(name):
    assert get_template(name)


@pytest.mark.parametrize("path", TEMPLATES, ids=NAMES)
def test_no_template_has_inline_script_style_or_handlers(path):
    text = path.read_text()
    is_mail = "mail" in path.parts  # mail has no stylesheet but its own attributes, and no page's policy
    for forbidden in (INLINE_SCRIPT, HANDLER) if is_mail else (INLINE_SCRIPT, INLINE_STYLE, HANDLER):
        assert not forbidden.search(text), f"the content security policy refuses {forbidden.search(text).group()!r}"


@pytest.mark.parametrize("path", TEMPLATES + STATIC, ids=lambda path: path.name)
def test_nothing_is_loaded_from_elsewhere(path):
    assert not ELSEWHERE.search(path.read_text())


@pytest.mark.parametrize("path", TEMPLATES, ids=NAMES)
def test_every_icon_that_is_named_exists(path):
    assert set(re.findall(r'{% icon "(\w+)" %}', path.read_text())) <= set(ICONS)


@pytest.fixture
def settings_without_manifest():
    """Static addresses without collected files."""
    plain = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    with override_settings(STORAGES=plain):
        yield


def test_a_status_is_a_shape_and_a_word():
    shapes = {"Paid": "✓", "Posted": "•", "Unpaid": "○", "Overdue": "!"}
    for status, shape in shapes.items():
        html = render_to_string("tollbook/parts/pill.html", {"status": status})
        assert shape in html and status in html


def test_what_a_person_typed_is_escaped_in_every_part():
    nasty = "<img src=x>"
    for part, names in {
        "pill": ["status"], "empty": ["title", "sentence"], "notice": ["text"], "receipt": ["text"],
        "download": ["name", "url"], "confirm": ["title", "effect"],
    }.items():  # fmt: skip
        html = render_to_string(f"tollbook/parts/{part}.html", dict.fromkeys(names, nasty))
        assert "<img" not in html and "&lt;img" in html, part


def test_the_page_for_our_own_failure_needs_no_request(settings_without_manifest):
    assert "Something went wrong on our side" in render_to_string("500.html")
