"""Every provider, by name."""

from __future__ import annotations

from hookline.providers.base import Provider
from hookline.providers.rows import (
    adyen,
    braintree,
    chat,
    cloud,
    code,
    generic,
    mail,
    msgraph,
    payments,
    paypal,
    shops,
    sns,
    twilio,
    watch,
    work,
)

TRADES: dict[str, tuple[Provider, ...]] = {
    "Code": code.ROWS,
    "Money": (*payments.ROWS, *paypal.ROWS, *adyen.ROWS, *braintree.ROWS),
    "Shops": shops.ROWS,
    "Messages": (*chat.ROWS, *twilio.ROWS, *mail.ROWS),
    "Work": work.ROWS,
    "Clouds and identity": (*cloud.ROWS, *msgraph.ROWS, *sns.ROWS),
    "Alerts": watch.ROWS,
    "Any other sender": generic.ROWS,
}

PROVIDERS: dict[str, Provider] = {row.name: row for rows in TRADES.values() for row in rows}
