const timers = (globalThis.workstationLiveTimers ??= new Map())
clearInterval(timers.get(beat.id))
const heard = Date.now()
const words = beat.data.words[0]
if (status.text !== words) status.text = words
answer.tags = [beat.data.number[0]]
timers.set(beat.id, setInterval(() => {
  if (figure.document == null) {
    clearInterval(timers.get(beat.id))
    timers.delete(beat.id)
    return
  }
  const age = Math.round((Date.now() - heard) / 1000)
  if (age >= silent_s) status.text = `no news for ${age} s: the kernel or server is busy or gone; this is the picture of then`
}, 1000))
