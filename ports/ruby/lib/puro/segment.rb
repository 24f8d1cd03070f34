# frozen_string_literal: true

module Puro
  # One segment file that is open, its header checked (F-12).
  class Segment
    attr_reader :directory, :sequence, :io, :header

    # nil where the name leads nowhere.
    def self.open(directory, sequence, write: false)
      io = directory.open_file(Names.segment(sequence), write ? File::RDWR : File::RDONLY)
      new(directory, sequence, io, write)
    rescue Errno::ENOENT
      nil
    end

    def initialize(directory, sequence, io, write)
      @directory = directory
      @sequence = sequence
      @io = io
      @header = Header.parse(pread(HEADER_BYTES, 0), write: write)
    rescue Error, SystemCallError
      io.close
      raise
    end

    def name = Names.segment(@sequence)
    def pread(length, at) = Calls.pread(@io, length, at)
    def pwrite(bytes, at) = Calls.pwrite(@io, bytes, at)
    def size = @io.stat.size
    def truncate(length) = Calls.truncate(@io, length)
    def close = @io.close

    # Of the stream, in its place? If not, it is stray (F-9).
    def of?(stream_id) = @header.stream_id == stream_id && @header.sequence == @sequence

    # Where its name leads now, if that is this file (A-2, R-2); else nil.
    def named
      found = @directory.stat(name)
      found if found && Directory.identity(found) == identity
    end

    def identity = @identity ||= Directory.identity(@io.stat)

    # Are all bytes from `at` on zero, up to `till` or the file's end (F-56)?
    def zeros?(at, till = nil)
      loop do
        length = till ? [till - at, 1 << 20].min : 1 << 20
        return true if length <= 0

        bytes = pread(length, at)
        return false unless bytes.count("^\0").zero?
        return true if bytes.bytesize < length

        at += length
      end
    end
  end
end
