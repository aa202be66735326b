"""The paper as an electronic invoice by EN 16931, for machines to book. Pure functions; no database, no network.

statement  what EN 16931 asks for, worked out from a Paper; None when it can't be said there
elements   XML put together from escaped pieces
cii        the statement as UN/CEFACT Cross Industry Invoice: the XML inside Factur-X and ZUGFeRD
ubl        the statement as UBL 2.1: Invoice or CreditNote
carry      tells in a PDF's metadata that it carries Factur-X
"""
