# frozen_string_literal: true

module Puro
  # Saves bytes to `lost/` before they are cut off (X-4, F-41).
  class SavedTail
    CHUNK = 1 << 20

    def initialize(segment, from, till)
      @segment = segment
      @from = from
      @till = till
    end

    # The name of the tail, relative to the stream's directory. The stream's names are synced behind it.
    def save
      crc, filled = measure
      Filesystem.check_room(@segment.directory.io, filled)
      lost = @segment.directory.subdirectory(Names::LOST)
      name, io = place(lost, crc)
      write(io)
      Calls.fdatasync(io)
      lost.sync
      @segment.directory.sync
      "#{Names::LOST}/#{name}"
    ensure
      io&.close
      lost&.close
    end

    private

    def chunks
      at = @from
      while at < @till
        bytes = @segment.pread([CHUNK, @till - at].min, at)
        raise SystemRefused, "#{@segment.name} became shorter" if bytes.empty?

        yield bytes, at - @from
        at += bytes.bytesize
      end
    end

    # CRC of all, and how many bytes stand in stretches that are not zero.
    def measure
      crc = filled = 0
      chunks do |bytes, _|
        crc = Crc32c.of(bytes, crc)
        filled += bytes.bytesize unless bytes.count("^\0").zero?
      end
      [crc, filled]
    end

    # The first name that is free, or leads to a beginning of these bytes (F-41).
    def place(lost, crc)
      (0..).each do |try|
        name = Names.tail(@segment.sequence, @from, crc, try)
        io = usable(lost, name)
        return [name, io] if io
      end
    end

    def usable(lost, name)
      missing = lost.stat(name).nil?
      flags = File::RDWR | (missing ? File::CREAT | File::EXCL : 0)
      io = lost.open_file(name, flags, like: missing ? @segment.io.stat : nil) # O-9
      return io if missing || (io.stat.nlink == 1 && beginning?(io))

      io.close
      nil
    rescue Refused, Errno::EACCES, Errno::EPERM
      nil # no regular file, or one that may not be opened
    end

    def beginning?(io)
      size = io.stat.size
      return false if size > @till - @from

      chunks do |bytes, at|
        break if at >= size

        part = bytes.byteslice(0, [size - at, bytes.bytesize].min)
        return false unless Calls.pread(io, part.bytesize, at) == part
      end
      true
    end

    # All is written, also what is there: the sync of that may have failed (M-6).
    def write(io)
      chunks { |bytes, at| Calls.pwrite(io, bytes, at) }
    end
  end
end
