# frozen_string_literal: true

module Puro
  # A place in a history (E-7): the next offset to read, and the epoch of the block before it.
  Token = Struct.new(:stream_id, :epoch, :offset) do
    # E-9: upper-case digits and leading zeros are accepted.
    def self.parse(text)
      match = /\A(\h{32}):(\d+):(\d+)\z/.match(text) or raise Refused, "#{text.inspect} is no token"
      epoch = match[2].to_i
      offset = match[3].to_i
      raise Refused, "#{text.inspect} is no token" if epoch >= 2**32 || offset >= 2**64

      new([match[1]].pack("H*"), epoch, offset)
    end

    def to_s = "#{stream_id.unpack1("H*")}:#{epoch}:#{offset}"
  end
end
