# frozen_string_literal: true

module Puro
  # Unsigned LEB128 of at most 64 bits (F-2).
  module Varint
    LONGEST = 10

    def self.encode(value)
      raise Refused, "#{value} does not fit into 64 bits" unless value.between?(0, 2**64 - 1)

      bytes = "".b
      while value > 0x7F
        bytes << (value & 0x7F | 0x80)
        value >>= 7
      end
      bytes << value
    end

    # Value and the place behind it. A longer form than needed is refused, and what exceeds 64 bits.
    def self.decode(bytes, at = 0, limit = bytes.bytesize)
      value = 0
      LONGEST.times do |i|
        raise Damaged, "a varint ends too early" if at + i >= limit

        byte = bytes.getbyte(at + i)
        value |= (byte & 0x7F) << (7 * i)
        next if byte >= 0x80

        raise Damaged, "a varint is longer than it must be" if byte.zero? && i.positive?
        raise Damaged, "a varint exceeds 64 bits" if value >= 2**64

        return value, at + i + 1
      end
      raise Damaged, "a varint is longer than ten bytes"
    end
  end
end
