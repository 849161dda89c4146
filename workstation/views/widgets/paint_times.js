const newest = tip.data.event_ms
if (!newest || !newest.length) return
const event_ms = newest[newest.length - 1]
requestAnimationFrame(() => setTimeout(() => {
  const painted_ms = performance.timeOrigin + performance.now()
  const root = document.documentElement
  root.dataset.newestEventMs = event_ms
  root.dataset.paintedMs = painted_ms
  const paints = (window.workstationPaints ??= [])
  paints.push([event_ms, painted_ms])
  if (paints.length > 5000) paints.splice(0, 1000)
}, 0))
