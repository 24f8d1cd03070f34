# frozen_string_literal: true

module Puro
  # Locks on whole files (L-1): open-file-description locks, which belong to the descriptor. So no other
  # descriptor of this process takes one away (L-2, L-9 are for POSIX locks). Ruby has no call for them;
  # fcntl takes a packed struct flock. The layout is that of 64-bit Linux.
  module FileLock
    SETLK = 37 # F_OFD_SETLK
    SHARED = 0
    EXCLUSIVE = 1
    NONE = 2
    LAYOUT = "s! s! x4 q q i x4" # l_type, l_whence, l_start, l_len, l_pid

    module_function

    def try(io, kind)
      Calls.again { io.fcntl(SETLK, [kind, IO::SEEK_SET, 0, 0, 0].pack(LAYOUT)) }
      true
    rescue Errno::EAGAIN, Errno::EACCES
      false
    end

    # Asks with growing pauses up to 2 ms, as long as the caller waits (L-8).
    def wait(io, kind, deadline, what)
      pause = 0.0001
      until try(io, kind)
        raise Busy, "#{what} is held by another" if FileLock.now >= deadline

        sleep(pause)
        pause = [pause * 2, 0.002].min
      end
    end

    def release(io) = try(io, NONE)
    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end
end
