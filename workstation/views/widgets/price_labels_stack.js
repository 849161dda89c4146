if (figure.properties.inner_width.is_unset || figure.properties.inner_height.is_unset) return
const size = name => figure.properties[name].is_unset ? 0 : figure[name]
const across = size(vertical ? 'inner_width' : 'inner_height')
const along = size(vertical ? 'inner_height' : 'inner_width')
if (!across || !along) return
const [value_range, side_range] = vertical ? [figure.x_range, figure.y_range] : [figure.y_range, figure.x_range]
const [v0, v1] = [value_range.start, value_range.end]
const [s0, s1] = [side_range.start, side_range.end]
if (!(isFinite(v0) && isFinite(v1) && v1 !== v0)) return
const px = v => across * (v - v0) / (v1 - v0)
const back = p => v0 + p * (v1 - v0) / across
const side = p => s1 - (on_axis ? 0 : p) * (s1 - s0) / along
const {value, text, colour} = levels.data
const width = t => 6.3 * t.length + 8
const items = []
for (let i = 0; i < value.length; i++) {
  if (!isFinite(value[i])) continue
  const at = px(value[i])
  const beyond = at < -0.5 ? -1 : at > across + 0.5 ? 1 : 0
  const arrow = beyond === 0 ? '' : vertical ? (beyond > 0 ? ' \u25b6' : ' \u25c0') : (beyond > 0 ? ' \u25b2' : ' \u25bc')
  items.push({at, beyond, text: text[i] + arrow, colour: colour[i], p: Math.min(Math.max(at, 9), across - 9)})
}
items.sort((a, b) => a.at - b.at)
const x = [], y = [], label = [], fill = []
const lead = {x0: [], x1: [], y0: [], y1: [], colour: []}
if (vertical) {
  const rows = []
  for (const item of items) {
    const half = width(item.text) / 2
    item.p = Math.min(Math.max(item.at, half), across - half)
    let row = 0
    while (row < rows.length && rows[row] > item.p - half) row += 1
    rows[row] = item.p + half + 4
    x.push(back(item.p)); y.push(side(11 + 19 * row)); label.push(item.text); fill.push(item.colour)
  }
} else {
  const gap = 19
  for (let i = 1; i < items.length; i++) items[i].p = Math.max(items[i].p, items[i - 1].p + gap)
  const last = items.length - 1
  if (last >= 0 && items[last].p > across - 9) {
    items[last].p = across - 9
    for (let i = last - 1; i >= 0; i--) items[i].p = Math.min(items[i].p, items[i + 1].p - gap)
  }
  for (const item of items) {
    x.push(side(4)); y.push(back(item.p)); label.push(item.text); fill.push(item.colour)
    if (!on_axis && item.beyond === 0 && Math.abs(item.p - item.at) > 3) {
      lead.x0.push(side(width(item.text) + 26)); lead.x1.push(side(width(item.text) + 4))
      lead.y0.push(back(item.at)); lead.y1.push(back(item.p)); lead.colour.push(item.colour)
    }
  }
}
tags.setv({data: {x, y, text: label, colour: fill}}, {sync: false})
leaders.setv({data: lead}, {sync: false})
