const step = ticks.length > 1 ? 100 * Math.abs(ticks[1] - ticks[0]) : 1
const decimals = Math.max(0, Math.min(4, -Math.floor(Math.log10(step) + 1e-9)))
return (tick < 0 ? '\u2212' : '') + Math.abs(100 * tick).toFixed(decimals) + '\u202f%'
