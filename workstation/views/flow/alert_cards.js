export function render({model, el}) {
  const draw = () => {
    const top = el.querySelector('.list')?.scrollTop ?? 0
    const focus = el.getRootNode().activeElement?.dataset?.alert
    el.innerHTML = model.cards
    const list = el.querySelector('.list')
    if (list) list.scrollTop = top
    if (focus) el.querySelector(`[data-alert="${CSS.escape(focus)}"]`)?.focus({preventScroll: true})
    for (const time of el.querySelectorAll('time[data-ms]')) time.textContent = new Date(Number(time.dataset.ms)).toLocaleTimeString('en-GB')
  }
  model.on('cards', draw)
  el.addEventListener('click', event => {
    const card = event.composedPath().find(node => node.dataset?.alert)
    if (card) model.send_msg({alert: card.dataset.alert})
  })
  draw()
}
