// One entry of the browser's history per deliberate change; Back and Forward restore the choices of their entry.
// Panel adds an entry whenever the address changes, also by itself, and leaves the page as it is when one goes back.
if (!window.workstationAddress) {
  window.workstationAddress = true
  const GESTURE_MS = 20000, RESTORED_MS = 1500
  let gesture = -Infinity, entered = true, restored = -Infinity
  for (const name of ['pointerdown', 'keydown'])
    window.addEventListener(name, () => { gesture = performance.now(); entered = false }, {capture: true, passive: true})
  // the stretch of time or price in view and the theme belong to the entry, but make none of their own
  const choices = search => {
    const values = new URLSearchParams(search)
    for (const name of ['window', 'theme']) values.delete(name)
    for (const [name, value] of [...values])
      if (/^chart\d$/.test(name)) values.set(name, value.split('~').slice(0, 3).join('~'))
    values.sort()
    return values.toString()
  }
  const push = history.pushState.bind(history), replace = history.replaceState.bind(history)
  history.pushState = (state, title, url) => {
    const target = new URL(url, location.href), now = performance.now()
    if (target.href === location.href) return
    const deliberate = !entered && now - gesture < GESTURE_MS && now - restored > RESTORED_MS
    if (deliberate && choices(target.search) !== choices(location.search)) {
      entered = true
      push(state, title, url)
    } else replace(state, title, url)
  }
  window.addEventListener('popstate', () => {
    restored = performance.now()
    for (const document of Bokeh.documents)
      for (const model of document.all_models)
        if (model.type?.endsWith('location.Location') && model.search !== location.search) model.search = location.search
  })
}
