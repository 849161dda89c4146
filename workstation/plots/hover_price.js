if (!Number.isFinite(value)) return '\u2013'
const size = Math.abs(value), decimals = size >= 10000 ? 1 : size >= 20 ? 2 : 4
const parts = size.toFixed(decimals).split('.')
parts[0] = parts[0].replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f')
return (value < 0 ? '\u2212' : '') + parts.join('.')
