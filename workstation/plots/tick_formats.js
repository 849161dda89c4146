const T = '\u202f', minus = '\u2212'
function plain(size, digits) {
  const decimals = Math.max(digits - 1 - Math.floor(Math.log10(size)), 0)
  const text = size.toFixed(decimals)
  return text.includes('.') ? text.replace(/0+$/, '').replace(/\.$/, '') : text
}
function si(value, digits) {
  const size = Math.abs(Number(value.toPrecision(digits)))
  if (size === 0) return '0'
  const sign = value < 0 ? minus : ''
  for (const [scale, suffix] of [[1e12, 'tn'], [1e9, 'bn'], [1e6, 'M'], [1e3, 'k']])
    if (size >= scale) return sign + currency + plain(size / scale, digits) + T + suffix
  return sign + currency + plain(size, digits)
}
