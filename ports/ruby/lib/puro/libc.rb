# frozen_string_literal: true

require "fiddle"

module Puro
  # Calls of the C library that Ruby has not, or not as they are wanted; Fiddle, which comes with it, reaches them. The
  # numbers are those of Linux.
  #
  # - openat and its kin (O-8), by which all names are names in a directory that is held.
  # - fdatasync: Ruby's IO#fdatasync calls fsync when fdatasync failed, and tells of that one only. So it hides
  #   a failed sync behind a second one that wrote nothing (M-6, A-14).
  module Libc
    CLOEXEC = 0o2000000

    LIBC = Fiddle.dlopen(nil)
    private_constant :LIBC

    def self.function(name, *types) = Fiddle::Function.new(LIBC[name], types, Fiddle::TYPE_INT)
    private_class_method :function

    INT = Fiddle::TYPE_INT
    TEXT = Fiddle::TYPE_VOIDP
    OPEN = function("openat", INT, TEXT, INT, INT)
    SYNC = function("fdatasync", INT)
    MKDIR = function("mkdirat", INT, TEXT, INT)
    UNLINK = function("unlinkat", INT, TEXT, INT)
    RENAME = function("renameat", INT, TEXT, INT, TEXT)

    module_function

    # A descriptor, closed on exec (F-54, L-3).
    def open(dir, name, flags, mode = 0) = call(OPEN, name, dir, name, flags | CLOEXEC, mode)

    # One that was interrupted failed: it is not begun again here.
    def fdatasync(number) = call(SYNC, "fdatasync", number, again: false)

    def mkdir(dir, name, mode) = call(MKDIR, name, dir, name, mode)
    def unlink(dir, name) = call(UNLINK, name, dir, name, 0)
    def rename(dir, from, to) = call(RENAME, to, dir, from, dir, to)

    def call(function, name, *arguments, again: true)
      loop do
        result = function.call(*arguments)
        return result unless result.negative?

        error = SystemCallError.new(name, Fiddle.last_error)
        raise error unless again && error.is_a?(Errno::EINTR)
      end
    end
  end
end
