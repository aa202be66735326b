"""The browser itself is there and reaches Tollbook."""

from playwright.sync_api import Page


def test_a_person_without_a_session_is_asked_to_sign_in(page: Page) -> None:
    answer = page.goto("/")
    assert answer.status == 200
    assert page.url.split("?")[0].endswith("/sign-in/")
