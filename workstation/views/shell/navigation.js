// Choices that pages share follow from page to page: they are added to the address of the link that is
// followed. A page that shows all underlyings (All) leaves the last chosen one as it is.
if (!window.workstationNavigation) {
  window.workstationNavigation = true
  const SHARED = ['underlying', 'theme', 'measure', 'basis', 'sign_model']
  const follow = event => {
    const link = event.composedPath().find(node => node.matches?.('nav a[href]'))
    if (link === undefined) return
    const here = new URLSearchParams(location.search), target = new URL(link.href, location.href)
    for (const name of SHARED) {
      const value = here.get(name), key = `workstation ${name}`
      if (value && value !== 'All') sessionStorage.setItem(key, value)
      const last = sessionStorage.getItem(key)
      if (last) target.searchParams.set(name, last)
    }
    link.href = target.href
  }
  for (const name of ['click', 'auxclick']) window.addEventListener(name, follow, {capture: true})
}
