# frozen_string_literal: true

module Puro
  # Calls of the system as a program wants them: begun again where a signal came between, and whole
  # where the system does half.
  module Calls
    module_function

    def again
      yield
    rescue Errno::EINTR
      retry
    end

    # Fewer bytes only where the file ends.
    def pread(io, length, at)
      bytes = "".b
      while bytes.bytesize < length
        part = again { io.pread(length - bytes.bytesize, at + bytes.bytesize) }
        bytes = bytes.empty? ? part : bytes << part
      end
      bytes
    rescue EOFError
      bytes
    end

    def pwrite(io, bytes, at)
      done = 0
      while done < bytes.bytesize
        part = done.zero? ? bytes : bytes.byteslice(done, bytes.bytesize - done)
        done += again { io.pwrite(part, at + done) }
      end
    end

    # A sync that was interrupted is one that failed (M-6): it is not begun again here.
    def fdatasync(io) = Libc.fdatasync(io.fileno)

    def sync_names(io) = io.fsync
    def truncate(io, length) = again { io.truncate(length) }
  end
end
