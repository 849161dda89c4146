// A page without its server looks dead: it greys, its ages count on, and it loads again once the server answers.
const html = document.documentElement
const paint = on => {
  const set = (name, value) => html.style.setProperty(name, value)
  set('--ws-link-colour', on ? '#5fd3a5' : '#ffce54')
  set('--ws-link-radius', on ? '50%' : '0')
  set('--ws-link-on', on ? 'inline' : 'none')
  set('--ws-link-off', on ? 'none' : 'inline')
  set('--ws-fresh', on ? 'inline' : 'none')
  set('--ws-lost', on ? 'none' : 'inline')
  html.classList.toggle('ws-lost', !on)
}
const count = () => {
  const seconds = Math.round((Date.now() - window.workstationLost) / 1000)
  const last = new Date(window.workstationLost).toISOString().slice(11, 19)
  html.style.setProperty('--ws-lost-s', String(seconds))
  html.style.setProperty('--ws-lost-words', `"No connection for ${seconds} s: what is shown is of ${last} UTC"`)
}
if (cb_obj.event_name === 'client_reconnected') {
  paint(true)
  clearInterval(window.workstationLostTimer)
  window.workstationLost = window.workstationLostTimer = undefined
  clearTimeout(window.workstationReload); window.workstationReload = undefined
} else {
  paint(false)
  window.workstationLost ??= Date.now()
  window.workstationLostTimer ??= setInterval(count, 1000)
  count()
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
