"""The line over a chart: what the candle and the bar under the crosshair say, in the browser alone."""

from __future__ import annotations

READOUT_CSS = """
:host { height: 17px !important; overflow: hidden; }
.read { display: flex; gap: 7px; white-space: nowrap; font-size: 11px; line-height: 17px; color: var(--ws-muted); overflow: hidden; }
.read b { color: var(--ws-text); font-weight: 500; }
.read .up { color: var(--ws-up); } .read .down { color: var(--ws-down); }
.read .net b { color: var(--ws-net); } .read .accent, .read .accent b { color: var(--ws-accent); } .read .zero, .read .zero b { color: var(--ws-zero); }
.read .active, .read .active b { color: var(--ws-warn); } .read .burst, .read .burst b { color: var(--ws-bad); }
"""
READOUT = """
const {x, open, high, low, close, volume} = candles.data
const n = x.length
if (!n) { readout.setv({text: ''}, {sync: false}); return }
const nearest = (values, at) => {
  let [from, to] = [0, values.length - 1]
  while (to - from > 1) { const middle = (from + to) >> 1; if (values[middle] <= at) from = middle; else to = middle }
  return at - values[from] <= values[to] - at ? from : to
}
const at = crosshair.location
const hovering = at !== null && isFinite(at)
const i = hovering ? nearest(x, at) : n - 1
const group = text => text.replace(/\\B(?=(\\d{3})+(?!\\d))/g, '\\u202f')
const price = value => {
  const decimals = Math.abs(value) >= 10000 ? 1 : Math.abs(value) >= 20 ? 2 : 5
  const [whole, rest] = Math.abs(value).toFixed(decimals).split('.')
  return (value < 0 ? '\\u2212' : '') + group(whole) + '.' + rest
}
const si = value => {
  for (const [scale, suffix] of [[1e9, 'bn'], [1e6, 'M'], [1e3, 'k']]) {
    if (Math.abs(value) >= scale) return (value / scale).toPrecision(3) + '\\u202f' + suffix
  }
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
const when = new Date(x[i]).toISOString().slice(11, 19)
const change = 100 * (close[i] / open[i] - 1)
const side = change >= 0 ? 'up' : 'down'
const parts = [
  `<span>${hovering ? when : 'now'}</span>`,
  `<span>O <b>${price(open[i])}</b></span><span>H <b>${price(high[i])}</b></span><span>L <b>${price(low[i])}</b></span>`,
  `<span>C <b>${price(close[i])}</b></span><span class="${side}">${change >= 0 ? '+' : '\\u2212'}${Math.abs(change).toFixed(2)}\\u202f%</span>`,
  `<span>Vol <b>${si(volume[i])}</b></span>`,
]
const roles = {sma: 'net', ema: 'accent', zlma: 'zero'}
const b = bars.data.x.length ? (hovering ? nearest(bars.data.x, at) : bars.data.x.length - 1) : -1
if (b >= 0 && intensity.visible && isFinite(bars.data.value[b])) {
  const state = ['quiet', 'active', 'burst'][bars.data.state[b]]
  const ready = isFinite(bars.data.upper[b])
  parts.push(`<span class="${state}">Int <b>${si(bars.data.value[b])}</b> bps/s ${ready ? state : 'buffer filling'}</span>`)
}
for (const name of ['sma', 'ema', 'zlma']) {
  const value = candles.data[name][i]
  if (lines[name].visible && isFinite(value)) parts.push(`<span class="${roles[name]}">${name.toUpperCase()} <b>${price(value)}</b></span>`)
}
readout.setv({text: `<div class="read">${parts.join('')}</div>`}, {sync: false})
"""
