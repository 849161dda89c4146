// A file beyond the limit would end the page's connection without a word: its size is sent in its place.
const {FileInputView} = Bokeh.require('models/widgets/file_input')
const read = FileInputView.prototype._upload_limit_read ?? FileInputView.prototype._read_file
FileInputView.prototype._upload_limit_read = read
FileInputView.prototype._read_file = function (file) {
  return read.call(this, file.size > UPLOAD_LIMIT ? new Blob([`UPLOAD_MARK${file.size}`]) : file)
}
