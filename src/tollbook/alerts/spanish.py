"""The same messages in Spanish: what `words` says in English, kind by kind, for accounts whose language it is.

What others told us, such as a bank's reason, stands as it was told.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Protocol

MONTHS = ("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sept", "oct", "nov", "dic")

FRAME = {
    "lang": "es",
    "choose_text": "Quién recibe cada correo",
    "choose_lead": "Usted elige quién recibe cada correo",
    "choose_link": "en la página Alerts",
}


class Reader(Protocol):
    """Whose figures and days count."""

    def money(self, data: Mapping[str, Any], name: str) -> str:
        """An amount of `data`."""

    def day(self, text: str) -> str:
        """A day."""

    def moment(self, text: str) -> str:
        """An instant."""


Said = tuple[str, tuple[str, ...], tuple[tuple[str, str], ...], str]
"""A title, sentences, facts, and what the button says."""


def _low(data: Mapping[str, Any], to: Reader) -> Said:
    name, balance = data["wallet"]["name"], to.money(data, "balance")
    title = f"{name}: saldo agotado" if Decimal(data["balance"]) <= 0 else f"{name}: quedan {balance}"
    level = to.money(data, "threshold")
    return title, (f"El saldo bajó a su nivel de {level}.",), (("Saldo", balance), ("Nivel", level)), "Abrir el saldo"


def _succeeded(data: Mapping[str, Any], to: Reader) -> Said:
    name, amount = data["wallet"]["name"], to.money(data, "amount")
    facts = (("Importe", amount), ("Saldo actual", to.money(data, "balance")), ("Factura", data.get("invoice", "")))
    said = (f"Se cobraron {amount} a la tarjeta y el crédito ya está disponible.",)
    return f"{name}: recarga de {amount}", said, facts, "Abrir la factura" if data.get("invoice") else "Abrir el saldo"


def _declined(data: Mapping[str, Any], to: Reader) -> Said:
    name, amount = data["wallet"]["name"], to.money(data, "amount")
    said = (
        f"No se cobraron {amount} a la tarjeta y no se añadió crédito.",
        data.get("reason", ""),
        "El servicio sigue hasta que se agote el crédito. Revise la tarjeta o use otra.",
    )
    return f"{name}: recarga rechazada", said, (("Importe", amount), ("Saldo", to.money(data, "balance"))), "Abrir el saldo"


def _stopped(data: Mapping[str, Any], to: Reader) -> Said:
    until = (("Hasta", to.moment(data["until"])),) if data.get("until") else ()
    said = ("Toca recargar y no se cobra nada:", data["reason"], "El servicio sigue mientras tanto.")
    facts = (("Saldo", to.money(data, "balance")), *until)
    return f"{data['wallet']['name']}: recargas detenidas", said, facts, "Abrir el saldo"


def _refill_to_confirm(data: Mapping[str, Any], to: Reader) -> Said:
    said = (data.get("reason") or "El banco pide que el titular de la tarjeta confirme el pago.", "Antes no se cobra nada.")
    facts = (("Importe", to.money(data, "amount")), ("Saldo", to.money(data, "balance")))
    return f"{data['wallet']['name']}: confirme la recarga", said, facts, "Abrir el saldo"


def _failed(data: Mapping[str, Any], to: Reader) -> Said:
    amount = to.money(data, "amount")
    again = f"Se intentará de nuevo el {to.day(data['next_on'])}." if data.get("next_on") else "No se intentará de nuevo."
    said = (f"No se pudieron cobrar {amount}.", data.get("reason", ""), again)
    return f"Falló el pago de la factura {data['invoice']}", said, _about(data, amount), "Pagar la factura"


def _to_confirm(data: Mapping[str, Any], to: Reader) -> Said:
    said = (data["reason"] or "El banco pide que el titular de la tarjeta confirme el pago.", "Antes no se cobra nada.")
    facts = _about(data, to.money(data, "amount"))
    return f"Confirme el pago de la factura {data['invoice']}", said, facts, "Abrir la factura"


def _received(data: Mapping[str, Any], to: Reader) -> Said:
    amount, paid = to.money(data, "amount"), ", ".join(data["invoices"])
    said = (f"Recibimos su pago de {amount}. Gracias.",)
    at = to.moment(data["received_at"])
    facts = (("Importe", amount), ("Pagado con", data["paid_by"]), ("Recibido", at), ("Factura", paid))
    return f"Recibo de {amount}", said, facts, "Abrir la factura" if paid else "Abrir las facturas"


def _issued(data: Mapping[str, Any], to: Reader) -> Said:
    total, due = to.money(data, "total"), to.day(data["due_on"])
    is_open = Decimal(data["open"]) > 0
    said = (f"{to.money(data, 'open')} vencen el {due}." if is_open else "Está pagada; no hay nada pendiente.",)
    facts = (("Total", total), ("Emitida", to.day(data["issued_on"])), ("Vence", due))
    return f"Factura {data['invoice']} de {total}", said, facts, "Abrir la factura"


def _reminder(data: Mapping[str, Any], to: Reader) -> Said:
    left, due = to.money(data, "open"), to.day(data["due_on"])
    when = "vence" if data["step"] <= 0 else "venció"
    said = (f"Quedan {left} por pagar; la factura {when} el {due}.", "Si ya ha pagado, no haga caso de este correo.")
    facts = (("Pendiente", left), ("Total", to.money(data, "total")), ("Vencimiento", due))
    return f"La factura {data['invoice']} {when} el {due}", said, facts, "Pagar la factura"


def _disputed(data: Mapping[str, Any], to: Reader) -> Said:
    amount = to.money(data, "amount")
    said = ("El titular de la tarjeta pidió al banco su devolución.", "El importe queda apartado hasta que el banco decida.")
    return f"Un cargo de {amount} está en disputa", said, _contested(data, amount), "Abrir las facturas"


def _decided(data: Mapping[str, Any], to: Reader) -> Said:
    amount, won = to.money(data, "amount"), data["result"] == "won"
    said = ("El dinero se queda donde estaba." if won else "El dinero volvió al titular de la tarjeta.",)
    title = f"La disputa sobre {amount} se {'ganó' if won else 'perdió'}"
    return title, said, _contested(data, amount), "Abrir las facturas"


def _card(data: Mapping[str, Any], to: Reader) -> Said:
    last = to.day(data["last_day"])
    said = "Con ella se pagan las recargas." if data["default"] else "No es la tarjeta que se usa ahora."
    facts = (("Tarjeta", data["card"]), ("Último día", last))
    return f"{data['card']} caduca el {last}", (f"{said} Sustitúyala antes.",), facts, "Abrir las tarjetas"


def _disabled(data: Mapping[str, Any], to: Reader) -> Said:
    refused = f"{data['url']} no aceptó los webhooks: {data['reason']}"
    said = (refused, "No se envía nada más allí hasta que se active de nuevo.")
    return "Un destino de webhooks está desactivado", said, (("Destino", data["url"]),), "Abrir las alertas"


def _about(data: Mapping[str, Any], amount: str) -> tuple[tuple[str, str], ...]:
    return (("Factura", data["invoice"]), ("Importe", amount))


def _contested(data: Mapping[str, Any], amount: str) -> tuple[tuple[str, str], ...]:
    return (("Importe", amount), ("Pagado con", data["paid_by"]), ("Disputa", data["dispute"]))


SAID: dict[str, Callable[[Mapping[str, Any], Reader], Said]] = {
    "wallet.low": _low,
    "refill.succeeded": _succeeded,
    "refill.declined": _declined,
    "refill.stopped": _stopped,
    "refill.action_required": _refill_to_confirm,
    "payment.failed": _failed,
    "payment.action_required": _to_confirm,
    "payment.received": _received,
    "dispute.opened": _disputed,
    "dispute.closed": _decided,
    "invoice.issued": _issued,
    "invoice.reminder": _reminder,
    "card.expiring": _card,
    "endpoint.disabled": _disabled,
}
