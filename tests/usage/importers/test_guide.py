"""docs/importing-call-records.md does not lie: rules load, defaults are the defaults, commands are understood."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from tollbook.cli.main import FORMATS as OFFERED
from tollbook.cli.main import import_cdr
from tollbook.usage.importers.direction import DirectionRule, from_table
from tollbook.usage.importers.formats import FORMATS

GUIDE = (Path(__file__).parents[3] / "docs" / "importing-call-records.md").read_text("utf-8")
RULES = [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)]
COMMANDS = re.findall(r"tollbook import-cdr ([^\n`]+)", GUIDE)


def test_the_defaults_in_the_guide_are_the_defaults():
    assert from_table(RULES[0], "guide") == DirectionRule()
    assert RULES[0].keys() == DirectionRule.__dataclass_fields__.keys()


def test_the_other_rules_in_the_guide_load():
    assert from_table(RULES[1], "guide").rated_number("9011442079460000") == "442079460000"


@pytest.mark.parametrize("arguments", COMMANDS)
def test_the_commands_in_the_guide_are_understood(arguments):
    context = import_cdr.make_context("import-cdr", shlex.split(arguments))
    assert context.params["account"] == "northwind"


def test_the_command_offers_the_formats_that_there_are():
    assert set(OFFERED) == set(FORMATS)
    assert all(f"| `{format}` |" in GUIDE for format in FORMATS)
