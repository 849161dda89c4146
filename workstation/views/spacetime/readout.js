// written into the element, as a change of the model would lay out the whole page anew; without a hand over the chart
// it is read by an eye, four times a second
const written = (window.workstationLines ??= new Map())
const state = written.get(readout.id) ?? {last_ms: 0, timer: 0}
written.set(readout.id, state)
if (!state.element?.isConnected) state.element = Bokeh.index.find_one(readout)?.markup_el
const line = state.element
if (!line) return
const hovering = crosshair.location !== null && isFinite(crosshair.location)
const wait_ms = hovering ? 0 : state.last_ms + 250 - performance.now()
if (state.timer && wait_ms > 0) return
clearTimeout(state.timer)
if (wait_ms > 0) {
  state.timer = setTimeout(() => { state.timer = 0; write() }, wait_ms)
  return
}
state.timer = 0
write()
function write() {
  state.last_ms = performance.now()
  const n = closed.data.x.length + forming.data.x.length
  if (!n) { line.textContent = ''; return }
  const nearest = (values, at) => {
    let [from, to] = [0, values.length - 1]
    while (to - from > 1) { const middle = (from + to) >> 1; if (values[middle] <= at) from = middle; else to = middle }
    return at - values[from] <= values[to] - at ? from : to
  }
  const at = crosshair.location
  const hovering = at !== null && isFinite(at)
  const [after_ms] = forming.data.x
  const over = !hovering || !closed.data.x.length || (after_ms !== undefined && at > (after_ms + closed.data.x.at(-1)) / 2)
  const newest = ({x}) => hovering ? nearest(x, at) : x.length - 1
  const [shown, i] = over ? [forming.data, newest(forming.data)] : [closed.data, nearest(closed.data.x, at)]
  const {x, open, high, low, close, volume} = shown
  const group = text => text.replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f')
  const price = value => {
    const decimals = Math.abs(value) >= 10000 ? 1 : Math.abs(value) >= 20 ? 2 : 5
    const [whole, rest] = Math.abs(value).toFixed(decimals).split('.')
    return (value < 0 ? '\u2212' : '') + group(whole) + '.' + rest
  }
  const si = value => {
    for (const [scale, suffix] of [[1e9, 'bn'], [1e6, 'M'], [1e3, 'k']]) {
      if (Math.abs(value) >= scale) return (value / scale).toPrecision(3) + '\u202f' + suffix
    }
    return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3)
  }
  const day = ms => new Date(ms).toUTCString().slice(5, 11)
  const span = ms => ms < 60e3 ? Math.ceil(ms / 1e3) + '\u202fs' : Math.ceil(ms / 60e3) + '\u202fmin'
  const length = Math.round(shown.width[i] / 0.72)
  const begin = x[i] - length / 2
  const left = begin + length - tip.data.event_ms[0]
  const when = hovering ? `${day(begin)} ${new Date(begin).toISOString().slice(11, 19)}`
    : day(begin) + (left > 0 && left <= length ? `, ${span(left)} to go` : ', now')
  const change = 100 * (close[i] / open[i] - 1)
  const side = change >= 0 ? 'up' : 'down'
  const parts = [
    `<span class="when">${when}</span>`,
    `<span>O <b>${price(open[i])}</b></span><span>H <b>${price(high[i])}</b></span><span>L <b>${price(low[i])}</b></span>`,
    `<span>C <b>${price(close[i])}</b></span><span class="${side}">${change >= 0 ? '+' : '\u2212'}${Math.abs(change).toFixed(2)}\u202f%</span>`,
    `<span>Vol <b>${si(volume[i])}</b></span>`,
  ]
  const roles = {sma: 'net', ema: 'accent', zlma: 'zero'}
  const of_bars = bars.data.x.length && hovering && !(at > (bar.data.x[0] + bars.data.x.at(-1)) / 2)
  const [bar_shown, b] = of_bars ? [bars.data, nearest(bars.data.x, at)] : [bar.data, newest(bar.data)]
  if (intensity.visible && isFinite(bar_shown.value[b])) {
    const state = ['quiet', 'active', 'burst'][bar_shown.state[b]]
    const ready = isFinite(bar_shown.burst_above[b])
    const limit = (state === 'burst' ? bar_shown.spike_above : bar_shown.burst_above)[b]
    // a bar is what its liveliest tick was; the peak of the bar can have had another threshold, which then is not told
    const over = bar_shown.value[b] > limit
    const told = over === (state !== 'quiet') ? ` ${over ? '>' : '\u2264'} ${si(limit)}` : ''
    parts.push(`<span class="${state}">Int <b>${si(bar_shown.value[b])}</b> bps/s ${ready ? state + told : 'buffer filling'}</span>`)
  }
  for (const name of ['sma', 'ema', 'zlma']) {
    const value = shown[name][i]
    if (lines[name].visible && isFinite(value)) parts.push(`<span class="${roles[name]}">${name.toUpperCase()} <b>${price(value)}</b></span>`)
  }
  line.innerHTML = `<div class="read">${parts.join('')}</div>`
}
