// At every paint every renderer writes its position into a style sheet of its own, and the next read of a colour makes
// the browser compute the styles of the page again. No style sheet of ours sets the position of a glyph, or the colour of
// a glyph or an axis, so neither is needed.
const {InlineStyleSheet} = Bokeh.require('core/dom')
InlineStyleSheet.prototype._update = function (css) { if (this.el.textContent !== css) this.el.textContent = css }
Bokeh.require('models/renderers/glyph_renderer').GlyphRendererView.prototype.update_position = () => {}
Bokeh.require('core/visuals/visual').VisualProperties.prototype._get_css_value = () => ''
