const [number] = cb_obj.tags
requestAnimationFrame(() => setTimeout(() => { answer.tags = [number] }, 0))
