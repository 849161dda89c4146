const two = n => String(n).padStart(2, '0')
const show = () => {
  const now = new Date()
  const set = (name, text) => document.documentElement.style.setProperty(name, text)
  set('--ws-clock-utc', `"${two(now.getUTCHours())}:${two(now.getUTCMinutes())}:${two(now.getUTCSeconds())}"`)
  set('--ws-clock-local', `"${two(now.getHours())}:${two(now.getMinutes())}"`)
}
show(); window.workstationClock ??= setInterval(show, 1000)
