const at = line.location
const shown = at !== null && isFinite(at)
if (!shown && !tag.data.x.length) return
const group = text => text.replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f')
const price = () => {
  const step = (y_range.end - y_range.start) / 200
  const [whole, rest] = Math.abs(at).toFixed(Math.max(0, Math.min(6, -Math.floor(Math.log10(step))))).split('.')
  return (at < 0 ? '\u2212' : '') + group(whole) + (rest ? '.' + rest : '')
}
const text = () => upright ? new Date(at).toUTCString().slice(5, 11) + ' ' + new Date(at).toISOString().slice(11, 19) : price()
const data = !shown ? {x: [], y: [], text: []}
  : upright ? {x: [at], y: [y_range.start], text: [text()]} : {x: [x_range.end], y: [at], text: [text()]}
tag.setv({data}, {sync: false})
