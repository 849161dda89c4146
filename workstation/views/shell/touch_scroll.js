// A vertical swipe over a chart scrolls the page; a horizontal one moves the chart and two fingers zoom it. Bokeh keeps
// every swipe to itself where a drag moves the chart.
Bokeh.require('models/plots/plot_canvas').PlotView.prototype._update_touch_action = function () {
  const active = kind => this.model.toolbar.tools.some(tool => tool.active && tool.event_types.includes(kind))
  const action = active('pan') ? 'pan-y' : active('scroll') ? 'pan-x pan-y' : 'auto'
  this.canvas.touch_action.replace(`.bk-events { touch-action: ${action}; }`)
}
