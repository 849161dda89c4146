export function render({model, el}) {
  const pressed = event => {
    const typed = event.composedPath()[0]
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(typed.tagName ?? '')) return
    if (event.key === 'l' || event.key === 'L' || event.key === 'End') model.send_msg('live')
  }
  window.addEventListener('keydown', pressed)
  model.on('remove', () => window.removeEventListener('keydown', pressed))
}
