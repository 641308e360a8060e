"""Gross amounts for an invoice: the little that this service knows."""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

# Standard rates of value added tax, in percent.
RATES = {"AT": 20, "DE": 19, "FR": 20, "IE": 23, "KR": 10}


class Rejected(ValueError):
    """A request that cannot be answered; the text says why."""


def gross(net: str, country: str) -> dict:
    """Net amount and country to tax and gross, in cents that add up."""
    if country not in RATES:
        raise Rejected(f"no rate for country {country!r}")
    try:
        amount = Decimal(net)
    except InvalidOperation:
        raise Rejected(f"not an amount: {net!r}") from None
    if not amount.is_finite() or amount < 0:
        raise Rejected(f"not an amount: {net!r}")
    cent = Decimal("0.01")
    amount = amount.quantize(cent, ROUND_HALF_UP)
    tax = (amount * RATES[country] / 100).quantize(cent, ROUND_HALF_UP)
    return {"net": str(amount), "tax": str(tax), "gross": str(amount + tax), "country": country}
