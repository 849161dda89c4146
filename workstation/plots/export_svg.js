const {LayoutDOMView} = Bokeh.require("models/layouts/layout_dom")
const {PlotView} = Bokeh.require("models/plots/plot")
function* plots(views) {
  for (const view of views) {
    if (view instanceof LayoutDOMView) yield* plots(view.child_views.values())
    if (view instanceof PlotView) yield view
  }
}
async function exported() {
  while (!Bokeh.documents.length || !Bokeh.documents.every((doc) => doc.is_idle)) await new Promise((go) => setTimeout(go, 50))
  const found = [...plots(Bokeh.index)].map((view) => {
    const {left, top} = view.el.getBoundingClientRect()
    return {x: left, y: top, svg: view.export("svg").ctx.get_serialized_svg(true)}
  })
  const text = btoa(unescape(encodeURIComponent(JSON.stringify(found))))
  document.body.replaceChildren("SVG-BEGINS:" + text + ":SVG-ENDS")
}
exported()
