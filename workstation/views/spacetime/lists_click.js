export function render({model, el}) {
  const begin = () => { el.innerHTML = model.frame }
  begin()
  model.on('frame', begin)
  model.on('msg:custom', ({rows, most}) => {
    const body = el.querySelector('tbody')
    if (body === null) return
    body.insertAdjacentHTML('afterbegin', rows)
    while (body.rows.length > most) body.deleteRow(-1)
  })
  model.send_msg('drawn')
}
