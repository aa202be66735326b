"""Documents cannot lie: every Python example that states its output is run and compared."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = re.compile(r"```python\n(.*?)```\s+```output\n(.*?)```", re.DOTALL)
EXAMPLES = [
    pytest.param(code, output, id=f"{file.relative_to(ROOT)}-{number}")
    for file in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
    for number, (code, output) in enumerate(EXAMPLE.findall(file.read_text()), 1)
]
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#]+)")


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize(("code", "output"), EXAMPLES)
def test_an_example_prints_what_the_document_says(code: str, output: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.strip() == output.strip()


@pytest.mark.parametrize("file", sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]), ids=lambda file: file.name)
def test_links_between_documents_lead_somewhere(file: Path) -> None:
    missing = [target for target in LINK.findall(file.read_text()) if not (file.parent / target).exists()]
    assert missing == []
