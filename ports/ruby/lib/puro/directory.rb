# frozen_string_literal: true

module Puro
  # One directory that is held (O-8): its path is resolved once, and all names are names in it. What is only looked
  # at goes by /proc/self/fd/N/NAME, which Linux resolves from the descriptor, too.
  class Directory
    NO_LINK = File::NOFOLLOW | File::NONBLOCK # O-5, F-54

    attr_reader :io
    attr_accessor :given # the path that was opened

    # Symbolic links in the path are followed.
    def self.open(path) = of(Calls.again { File.open(path, File::RDONLY | File::NONBLOCK) }, path)

    def self.of(io, given)
      return new(io, given) if io.stat.directory?

      io.close
      raise Refused, "#{given} is no directory"
    end

    def self.identity(stat) = [stat.dev, stat.ino]

    def initialize(io, given)
      @io = io
      @given = given
    end

    # Does the path still lead to this directory (O-8, R-11)?
    def at_its_path?
      Directory.identity(Calls.again { File.stat(@given) }) == Directory.identity(@io.stat)
    rescue Errno::ENOENT, Errno::ENOTDIR
      false
    end

    def names = Calls.again { Dir.children(shown("."), encoding: Encoding::BINARY) }

    # Where a name leads, links not followed; nil where there is none.
    def stat(name)
      Calls.again { File.lstat(shown(name)) }
    rescue Errno::ENOENT
      nil
    end

    # A regular file, opened without following links and without waiting (O-5, F-8, F-54). A file that is made
    # gets 0666 less the umask, or what `like` has (O-9).
    def open_file(name, flags, like: nil)
      io = descriptor(name, flags, 0o666)
      unless io.stat.file?
        io.close
        raise Refused, "#{name} is no regular file"
      end
      Directory.alike(io, like) if like
      io
    rescue Errno::ELOOP, Errno::EISDIR, Errno::ENXIO, Errno::ENODEV
      raise Refused, "#{name} is no regular file"
    end

    # A directory in this one, links not followed; made like this one if it is missing (O-9).
    def subdirectory(name)
      made = make_directory(name)
      held = Directory.of(descriptor(name, File::RDONLY), name)
      Directory.alike(held.io, @io.stat) if made
      held
    rescue Errno::ELOOP, Errno::ENXIO
      raise Refused, "#{name} is no directory"
    end

    # The same directory once more, for a handle of its own.
    def again = Directory.new(descriptor(".", File::RDONLY), @given)

    # The directory that holds this one.
    def sync_parent
      io = descriptor("..", File::RDONLY)
      Calls.sync_names(io)
    ensure
      io&.close
    end

    # O-9, as far as the system lets.
    def self.alike(io, stat)
      mode = stat.mode & 0o7777
      io.chmod(mode) unless io.stat.mode & 0o7777 == mode
      io.chown(stat.uid, stat.gid) unless [io.stat.uid, io.stat.gid] == [stat.uid, stat.gid]
    rescue SystemCallError
      nil
    end

    def rename(from, to) = Libc.rename(@io.fileno, from, to)

    def unlink(name)
      Libc.unlink(@io.fileno, name)
    rescue Errno::ENOENT
      nil
    end

    def sync = Calls.sync_names(@io)
    def close = @io.close

    private

    def shown(name) = "/proc/self/fd/#{@io.fileno}/#{name}"

    def descriptor(name, flags, mode = 0)
      number = Libc.open(@io.fileno, name, flags | NO_LINK, mode)
      File.for_fd(number, flags & (File::RDWR | File::WRONLY)).binmode
    end

    def make_directory(name)
      Libc.mkdir(@io.fileno, name, 0o777)
      true
    rescue Errno::EEXIST
      false
    end
  end
end
