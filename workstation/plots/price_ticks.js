const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) : 1
const decimals = Math.max(0, Math.min(6, -Math.floor(Math.log10(step) + 1e-9)))
const parts = Math.abs(tick).toFixed(decimals).split('.')
parts[0] = parts[0].replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f')
return (tick < 0 ? '\u2212' : '') + parts.join('.')
