if (!Number.isFinite(value)) return '\u2013'
const parts = Math.abs(value).toFixed(value === Math.round(value) ? 0 : 2).split('.')
parts[0] = parts[0].replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f')
return (value < 0 ? '\u2212' : '') + parts.join('.')
