// Bokeh clips to the frame what it paints among the glyphs, not what it paints over them: a candle in progress that is
// moved out of view would be painted over the axis.
Object.defineProperty(Bokeh.require('models/renderers/glyph_renderer').GlyphRendererView.prototype, 'needs_clip', {
  configurable: true, get() { return !this.model.tags.includes('beyond the frame') },
})
