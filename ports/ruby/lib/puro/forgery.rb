# frozen_string_literal: true

require "securerandom"

module Puro
  # No block within a block (F-43): a body in which a start would stand is shifted by a `pad` (F-46).
  module Forgery
    FORESEEN = 8
    BY_LOT = 16

    module_function

    # The body for this place, with a pad if it needs one, and whether it has one.
    def guard(body, header_crc, position)
      return [body, false] unless start_within?(body, header_crc, position)

      shifts(body).each do |size|
        padded = Record.control("pad", value: "\0".b * size).encode << body
        return [padded, true] if padded.bytesize <= MAX_BODY_BYTES && !start_within?(padded, header_crc, position)
      end
      raise Refused, "a value looks like blocks, wherever it is put"
    end

    # Eight that can be foretold, sixteen that cannot.
    def shifts(body)
      most = [body.bytesize + UNIT, MAX_BODY_BYTES - body.bytesize - 32, MAX_VALUE_BYTES].min
      lot = most.positive? ? Array.new(BY_LOT) { SecureRandom.random_number(most) } : []
      (0...FORESEEN).to_a + lot
    end

    # Does a start stand at a multiple of 64 other than the block's own? Only body and pad can hold
    # one: the end is in the last sixteen bytes of a unit.
    def start_within?(body, header_crc, position)
      first = UNIT - START_BYTES # where the block's second unit begins in the body
      first.step(body.bytesize - 1, UNIT) do |at|
        kind = body.getbyte(at + 1)
        next unless kind && kind.between?(1, 3) # nearly always all that is looked at

        bytes = body.byteslice(at, START_BYTES).ljust(START_BYTES, "\0".b)
        return true if Start.standing(bytes, header_crc, position + START_BYTES + at)
      end
      false
    end
  end
end
