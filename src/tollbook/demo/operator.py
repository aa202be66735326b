"""The demo's operator: who issues the invoices, when the environment does not say otherwise."""

ENVIRONMENT = {
    "TOLLBOOK_OPERATOR_NAME": "Meridian Voice",
    "TOLLBOOK_OPERATOR_LEGAL_NAME": "Meridian Voice Communications, Inc.",
    "TOLLBOOK_OPERATOR_ADDRESS": "1200 Harbor Street, Floor 8|Boston, MA 02110",
    "TOLLBOOK_OPERATOR_COUNTRY": "US",
    "TOLLBOOK_OPERATOR_TAX_ID": "US 04-5550110",
    "TOLLBOOK_OPERATOR_EMAIL": "billing@meridian.example",
    "TOLLBOOK_OPERATOR_PHONE": "+1 617 555 0110",
    "TOLLBOOK_OPERATOR_PAYMENT_INSTRUCTIONS": "By transfer to First Example Bank, account 000 555 0110, with this number.",
}
