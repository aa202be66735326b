"""Tell in a PDF's metadata that it carries Factur-X: four properties, and what PDF/A wants to know about them.

typst attaches the file and declares it as an alternative of the document, but writes no properties of others' schemas. Its
files have the metadata as they stand and a table of where objects begin; both are written anew here, nothing else moves.
"""

import re

NAME = "factur-x.xml"
_URI = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
_METADATA = re.compile(rb"(\d+ 0 obj\n<</Length )(\d+)(/Type/Metadata/Subtype/XML>>\nstream\n)")
_BAG = b"<pdfaExtension:schemas><rdf:Bag>"
_END = b"</rdf:RDF>"
_PROPERTIES = {
    "DocumentFileName": (NAME, "The name of the embedded XML file"),
    "DocumentType": ("INVOICE", "The type of the hybrid document"),
    "Version": ("1.0", "The version of the standard that the embedded XML follows"),
    "ConformanceLevel": ("EN 16931", "The profile that the embedded XML follows"),
}


def declared(pdf: bytes) -> bytes:
    """`pdf`, as typst made it with an attachment called `NAME`, with the properties of Factur-X, profile EN 16931."""
    found = _METADATA.search(pdf)
    if found is None:
        raise ValueError("this PDF's metadata is not where typst writes it")
    start, length = found.end(), int(found[2])
    metadata = pdf[start : start + length].replace(_BAG, _BAG + _SCHEMA, 1).replace(_END, _DESCRIPTION + _END, 1)
    head = found[1] + str(len(metadata)).encode() + found[3]
    written = pdf[: found.start()] + head + metadata + pdf[start + length :]
    return _with_table(written, found.start(), len(written) - len(pdf))


def _with_table(pdf: bytes, after: int, moved: int) -> bytes:
    """The table at the end of the file, with what begins behind `after` further down by `moved` bytes."""
    body, tail = pdf[: (at := pdf.rindex(b"\nxref\n") + 1)], pdf[at:]
    tail = re.sub(rb"^(\d{10}) (\d{5} n)", lambda row: _entry(row, after, moved), tail, flags=re.MULTILINE)
    return body + re.sub(rb"(startxref\n)\d+", rb"\g<1>%d" % at, tail)


def _entry(row: re.Match[bytes], after: int, moved: int) -> bytes:
    offset = int(row[1])
    return b"%010d %s" % (offset + moved if offset > after else offset, row[2])


def _schema() -> str:
    properties = "".join(
        '<rdf:li rdf:parseType="Resource">'
        f"<pdfaProperty:name>{name}</pdfaProperty:name><pdfaProperty:valueType>Text</pdfaProperty:valueType>"
        f"<pdfaProperty:category>external</pdfaProperty:category><pdfaProperty:description>{told}</pdfaProperty:description>"
        "</rdf:li>"
        for name, (_, told) in _PROPERTIES.items()
    )
    return (
        '<rdf:li rdf:parseType="Resource"><pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>'
        f"<pdfaSchema:namespaceURI>{_URI}</pdfaSchema:namespaceURI><pdfaSchema:prefix>fx</pdfaSchema:prefix>"
        f"<pdfaSchema:property><rdf:Seq>{properties}</rdf:Seq></pdfaSchema:property></rdf:li>"
    )


def _description() -> str:
    values = "".join(f"<fx:{name}>{value}</fx:{name}>" for name, (value, _) in _PROPERTIES.items())
    return f'<rdf:Description rdf:about="" xmlns:fx="{_URI}">{values}</rdf:Description>'


_SCHEMA, _DESCRIPTION = _schema().encode(), _description().encode()
