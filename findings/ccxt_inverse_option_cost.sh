#!/usr/bin/env bash
# What:     ccxt gives a Deribit option trade (and order) the cost amount / price: 2 contracts at 0.05 BTC
#           "cost" 40, while the premium paid is 0.1 BTC.
# Why:      Deribit's coin-settled options are marked inverse, and the unified safe_trade() and safe_order()
#           divide by the price of every inverse market. That is right for an inverse future, priced in
#           dollars per coin, but an option's price is already in coins.
# Bites:    premium flow, fees in percent of cost and profit from `cost`: the cheaper the option, the
#           larger its "premium".
# Instead:  premium = price * amount * contractSize, in the settlement coin.
# Versions: ccxt==4.5.90
# Seen on 2026-11-30:
#   ccxt 4.5.90
#   expected: a cost of 2 * 0.05 = 0.1 BTC, and of 2 * 0.001 = 0.002 BTC
#   seen:     trade of 2 at 0.05 BTC: cost 40.0
#   seen:     trade of 2 at 0.001 BTC: cost 2000.0
#   seen:     order of 2 filled at 0.05 BTC: cost 40.0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ccxt==4.5.90
"$work/venv/bin/python" - <<'PY'
import sys

import ccxt

NAME = "BTC-25DEC26-100000-C"
INSTRUMENT = {
    "instrument_name": NAME, "kind": "option", "option_type": "call", "strike": 100000.0,
    "base_currency": "BTC", "quote_currency": "BTC", "counter_currency": "USD", "settlement_currency": "BTC",
    "price_index": "btc_usd", "instrument_type": "reversed", "settlement_period": "month",
    "contract_size": 1.0, "tick_size": 0.0001, "min_trade_amount": 0.1, "is_active": True, "rfq": False,
    "taker_commission": 0.0003, "maker_commission": 0.0003, "block_trade_commission": 0.0003,
    "creation_timestamp": 1766736000000, "expiration_timestamp": 1798185600000, "instrument_id": 1,
}
venue = ccxt.deribit({"options": {"fetchMarkets": {"method": "public"}}})
# The two answers that loading the markets needs, in the venue's form; nothing goes over a network.
venue.publicGetGetCurrencies = lambda params={}: {"result": [{"currency": "BTC"}]}
venue.publicGetGetInstruments = lambda params={}: {"result": [INSTRUMENT]}
venue.set_markets(venue.fetch_markets())
market = venue.market(NAME)
assert market["inverse"] and market["contractSize"] == 1.0 and market["settle"] == "BTC"


def trade(price):
    raw = {
        "trade_seq": 1, "trade_id": "1", "timestamp": 1796028773000, "tick_direction": 1, "price": price,
        "mark_price": price, "iv": 50.0, "instrument_name": NAME, "index_price": 95000.0,
        "direction": "buy", "amount": 2.0, "contracts": 2.0,
    }
    return venue.parse_trade(raw)


order = venue.parse_order({
    "order_id": "1", "instrument_name": NAME, "price": 0.05, "amount": 2.0, "filled_amount": 2.0,
    "average_price": 0.05, "order_state": "filled", "order_type": "limit", "direction": "buy",
    "creation_timestamp": 1796028773000, "last_update_timestamp": 1796028773000,
    "time_in_force": "good_til_cancelled",
})
print("ccxt", ccxt.__version__)
print("expected: a cost of 2 * 0.05 = 0.1 BTC, and of 2 * 0.001 = 0.002 BTC")
for price in (0.05, 0.001):
    print(f"seen:     trade of 2 at {price} BTC: cost {trade(price)['cost']}")
print(f"seen:     order of 2 filled at 0.05 BTC: cost {order['cost']}")
seen = trade(0.05)["cost"] == 40.0 and trade(0.001)["cost"] == 2000.0 and order["cost"] == 40.0
sys.exit(0 if seen else 1)
PY
