"""Pages as somebody reads them: the words, the tables, the addresses behind links."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

from django.http import HttpResponse

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
INLINE = {"a", "span", "strong", "code", "time", "label", "b"}


@dataclass
class Element:
    """One element: its tag, attributes, children and texts in order."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list["Element | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The words in it, as a screen reader has them: with visually hidden ones, without drawings."""
        return " ".join(self._raw().split())

    def _raw(self) -> str:
        if self.tag == "svg" or self.attributes.get("aria-hidden") == "true":
            return ""
        words = "".join(child if isinstance(child, str) else child._raw() for child in self.children)
        return words if self.tag in INLINE else f" {words} "

    def all(self, tag: str, **attributes: str) -> list["Element"]:
        """Every element of this kind in it, in order."""
        found = []
        for child in self.children:
            if isinstance(child, str):
                continue
            if child.tag == tag and all(child.attributes.get(name) == value for name, value in attributes.items()):
                found.append(child)
            found += child.all(tag, **attributes)
        return found

    def one(self, tag: str, **attributes: str) -> "Element":
        """The only one of its kind."""
        [found] = self.all(tag, **attributes)
        return found


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.stack = [Element("document")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.stack[-1].children.append(element)
        if tag not in VOID:
            self.stack.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.stack[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        while self.stack[-1].tag != tag:
            raise AssertionError(f"</{tag}> closes <{self.stack[-1].tag}>")
        self.stack.pop()

    def handle_data(self, data: str) -> None:
        self.stack[-1].children.append(data)


def read(response: HttpResponse) -> Element:
    """The page's main part; markup that isn't closed in order is an error."""
    builder = _Builder()
    builder.feed(response.content.decode())
    assert len(builder.stack) == 1, f"<{builder.stack[-1].tag}> is never closed"
    return builder.stack[0].one("main")


@dataclass(frozen=True)
class Table:
    """A table's words, cell by cell."""

    header: list[str]
    rows: list[list[str]]
    footer: list[str]


def table(page: Element, caption: str) -> Table:
    """The table with this caption. A row of the footer is one text."""
    [found] = [table for table in page.all("table") if table.one("caption").text == caption]
    rows = [[cell.text for cell in _cells(row)] for row in found.one("tbody").all("tr")]
    footer = [
        "".join(cell.text if cell.text.startswith(",") else f" {cell.text}" for cell in _cells(row)).strip()
        for foot in found.all("tfoot")
        for row in foot.all("tr")
    ]
    return Table([cell.text for cell in found.one("thead").all("th")], rows, footer)


def _cells(row: Element) -> list[Element]:
    return [child for child in row.children if isinstance(child, Element) and child.tag in ("th", "td")]


def links(page: Element) -> dict[str, str]:
    """Addresses by accessible name; of several links with one name, the last."""
    return {link.attributes.get("aria-label") or link.text: link.attributes["href"] for link in page.all("a")}
