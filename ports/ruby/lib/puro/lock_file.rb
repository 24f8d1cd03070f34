# frozen_string_literal: true

module Puro
  # `writer.lock` or `consumers/NAME.lock` (chapter 2). It is made when missing, and never unlinked.
  class LockFile
    DAY = 24 * 60 * 60

    def initialize(directory, name, like: nil, hint: false)
      @directory = directory
      @name = name
      @like = like
      @hint = hint
    end

    # Locks it, and sees that its name still leads to the file that was locked; if not, anew (L-4).
    def acquire(seconds, what = @name)
      deadline = FileLock.now + seconds
      loop do # the name is opened each time: who waits for a file without a name waits for nobody
        @io = open
        FileLock.wait(@io, FileLock::EXCLUSIVE, deadline, what)
        break if named?

        close # that lets go
      end
      keep_young
      write_hint if @hint
    rescue StandardError
      release
      raise
    end

    # Does the name lead to the file that is held (L-4, A-17)? Another name of it is refused (F-44).
    def named?
      found = @directory.stat(@name)
      return false unless found && Directory.identity(found) == Directory.identity(@io.stat)
      return true if found.nlink == 1

      close
      raise Refused, "#{@name} has other names"
    end

    # Given back by its name, for a forked child may have the descriptor, too; then closed.
    def release
      FileLock.release(@io) if @io
    rescue SystemCallError
      nil # closing lets go
    ensure
      close
    end

    # Closing is all that a forked child may do (L-3).
    def close
      @io&.close
      @io = nil
    end

    private

    def open
      like = @like&.call if @directory.stat(@name).nil?
      io = @directory.open_file(@name, File::RDWR | File::CREAT, like: like)
      if io.stat.nlink > 1 # F-44; 0 is a name that is gone, which acquire sees
        io.close
        raise Refused, "#{@name} has other names"
      end
      io
    rescue Errno::ENOENT
      raise Removed, "the directory of #{@name} was removed" # L-4
    end

    # L-4 (SHOULD): cleaners of old files leave what is of the last day. utimensat follows
    # /proc/self/fd to the file itself, and opens nothing.
    def keep_young
      return if Time.now - @io.stat.mtime < DAY / 2

      now = Time.now
      File.utime(now, now, "/proc/self/fd/#{@io.fileno}")
    rescue SystemCallError
      nil # a favour
    end

    # F-40: who holds it, since when.
    def write_hint
      start = begin
        File.read("/proc/self/stat").rpartition(")").last.split[19]
      rescue SystemCallError
        "0"
      end
      line = "#{Process.pid} #{start} #{Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond)}\n"
      Calls.truncate(@io, 0)
      Calls.pwrite(@io, line, 0)
    rescue SystemCallError
      nil # never trusted, so never needed
    end
  end
end
