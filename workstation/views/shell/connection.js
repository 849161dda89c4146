const root = document.documentElement.style
const paint = on => {
  root.setProperty('--ws-link-colour', on ? '#5fd3a5' : '#ffce54')
  root.setProperty('--ws-link-radius', on ? '50%' : '0')
  root.setProperty('--ws-link-on', on ? 'inline' : 'none')
  root.setProperty('--ws-link-off', on ? 'none' : 'inline')
}
if (cb_obj.event_name === 'client_reconnected') {
  paint(true)
  clearTimeout(window.workstationReload); window.workstationReload = undefined
} else {
  paint(false)
  if ((cb_obj.attempts ?? 1) >= 1 && window.workstationReload === undefined) {
    const base = document.querySelector('base')?.href ?? location.href
    let wait = 500
    const poll = async () => {
      try {
        const answer = await fetch(new URL('liveness', base), {cache: 'no-store'})
        if (answer.ok) { location.reload(); return }
      } catch (error) { console.debug('the server is not back yet') }
      wait = Math.min(wait * 1.6, 15000)
      window.workstationReload = setTimeout(poll, wait * (0.5 + Math.random()))
    }
    window.workstationReload = setTimeout(poll, wait * (0.5 + Math.random()))
  }
}
