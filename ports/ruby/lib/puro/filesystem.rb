# frozen_string_literal: true

require "fiddle"

module Puro
  # What kind of file system a directory is on, and how much room it has. Ruby has no such call; the
  # library Fiddle, which comes with it, reaches fstatfs of the C library.
  module Filesystem
    # M-1: the low 32 bits of f_type.
    NETWORK = [0x6969, 0x517B, 0xFF534D42, 0xFE534D42, 0x5346414F, 0x6B414653, 0x73757245, 0x564C, 0x00C36400,
               0x01021997, 0x0BD00BD0, 0x01161970, 0x7461636F, 0x65735546].freeze

    begin
      FSTATFS = Fiddle::Function.new(Fiddle.dlopen(nil)["fstatfs"], [Fiddle::TYPE_INT, Fiddle::TYPE_VOIDP],
                                     Fiddle::TYPE_INT)
    rescue Fiddle::DLError
      FSTATFS = nil # another system: kind and room are not known
    end

    module_function

    # f_type and the bytes that are free, of 64-bit Linux; nil where they are not known.
    def ask(io)
      return nil unless FSTATFS && RUBY_PLATFORM.include?("linux")

      buffer = "\0".b * 256
      return nil unless FSTATFS.call(io.fileno, buffer).zero?

      type, block_size, _blocks, _free, available = buffer.unpack("q5")
      [type & 0xFFFFFFFF, block_size * available]
    end

    def network?(io) = NETWORK.include?(ask(io)&.first)

    # V-2, X-4
    def check_room(io, bytes)
      room = ask(io)&.last
      raise NoSpace, "no space: #{bytes} bytes are wanted, #{room} are free" if room && room < bytes
    end
  end
end
