const HEIGHT = 30
const cell = (tag, text, kind) => {
  const made = document.createElement(tag)
  if (kind) made.className = kind
  made.textContent = text
  return made
}
async function copy(text) {
  try { await navigator.clipboard.writeText(text); return true } catch (_) {
    const area = document.createElement('textarea')
    area.value = text
    document.body.append(area)
    area.select()
    const done = document.execCommand('copy')
    area.remove()
    return done
  }
}
export function render({model, el}) {
  const box = cell('div', '', 'box'), rows = cell('div', '', 'rows'), foot = cell('div', '', 'foot')
  rows.tabIndex = 0
  rows.setAttribute('role', 'region')
  rows.setAttribute('aria-label', model.label)
  const count = cell('span', '', 'count'), live = cell('button', 'jump to live', 'live'), csv = cell('button', 'copy CSV', '')
  count.setAttribute('role', 'status')
  foot.append(count, live, csv)
  box.append(rows, foot)
  el.append(box)
  let shown = null
  const draw = () => {
    const now = model.window
    if (!now.columns) return
    const focus = rows.getRootNode().activeElement?.dataset?.key
    const table = document.createElement('table'), head = document.createElement('tr'), body = document.createElement('tbody')
    for (const [key, title, kind] of now.columns) {
      const th = cell('th', '', kind), press = cell('button', title + (now.sort === key ? (now.descending ? ' ▾' : ' ▴') : ''), '')
      th.scope = 'col'
      th.setAttribute('aria-sort', now.sort === key ? (now.descending ? 'descending' : 'ascending') : 'none')
      press.onclick = () => model.send_msg({sort: key})
      th.append(press)
      head.append(th)
    }
    const space = height => {
      const tr = document.createElement('tr'), td = cell('td', '', 'space')
      td.colSpan = now.columns.length
      td.style.height = `${height}px`
      tr.setAttribute('aria-hidden', 'true')
      tr.append(td)
      return tr
    }
    if (now.start > 0) body.append(space(now.start * HEIGHT))
    for (const [key, kind, ...values] of now.rows) {
      const tr = cell('tr', '', `row ${kind}${model.press ? ' press' : ''}`)
      tr.dataset.key = key
      values.forEach((value, at) => tr.append(cell('td', value, now.columns[at][2] + (now.columns[at][0] === 'side' ? ' side' : ''))))
      if (model.press) {
        tr.tabIndex = 0
        tr.onclick = () => model.send_msg({row: key})
        tr.onkeydown = event => { if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); model.send_msg({row: key}) } }
      }
      body.append(tr)
    }
    const below = now.total - now.start - now.rows.length
    if (below > 0) body.append(space(below * HEIGHT))
    const top = rows.scrollTop, left = rows.scrollLeft
    const thead = document.createElement('thead')
    thead.append(head)
    table.append(thead, body)
    rows.replaceChildren(table, ...(now.total ? [] : [cell('p', now.nothing, 'none')]))
    rows.scrollTop = now.top ? 0 : top
    rows.scrollLeft = left
    if (focus) body.querySelector(`[data-key="${CSS.escape(focus)}"]`)?.focus({preventScroll: true})
    count.textContent = now.count
    live.hidden = !now.held
    live.style.display = now.held ? '' : 'none'
  }
  rows.addEventListener('scroll', () => {
    const first = Math.max(Math.floor(rows.scrollTop / HEIGHT), 0), last = first + Math.ceil(rows.clientHeight / HEIGHT)
    const now = model.window
    const outside = first < now.start || last > now.start + now.rows.length
    if ((outside || (first > 0) !== now.away) && shown !== first) {
      shown = first
      model.send_msg({first})
    }
  }, {passive: true})
  live.onclick = () => { rows.scrollTop = 0; shown = null; model.send_msg({live: true}) }
  csv.onclick = () => model.send_msg({csv: true})
  model.on('window', draw)
  model.on('msg:custom', async ({csv: text, lines}) => {
    if (text !== undefined) csv.textContent = await copy(text) ? `copied ${lines} rows` : 'the browser forbids copying'
    setTimeout(() => { csv.textContent = 'copy CSV' }, 2500)
  })
  draw()
  model.send_msg({zone: Intl.DateTimeFormat().resolvedOptions().timeZone})
}
