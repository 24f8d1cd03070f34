# frozen_string_literal: true

module Puro
  # The names that a directory may hold (F-7, F-10, F-11, F-41).
  module Names
    WRITER_LOCK = "writer.lock"
    CONSUMERS = "consumers"
    LOST = "lost"
    SEGMENT = /\A(\d{10})\.puro\z/
    TEMPORARY = /\A\d{10}\.puro\.(new|compact)\z/
    OTHERS = [WRITER_LOCK, "steward.lock", CONSUMERS, LOST, "lost+found"].freeze

    module_function

    def segment(sequence) = format("%010d.puro", sequence)
    def temporary(sequence) = "#{segment(sequence)}.new"
    def consumer_lock(name) = "#{name}.lock"

    # The number in a segment's name; nil for other names, and for ten digits that say too much (F-7).
    def sequence(name)
      number = SEGMENT.match(name)&.[](1)&.to_i
      number if number && number <= LAST_SEGMENT
    end

    # May this stand in a directory in which a stream is to be made (O-2)?
    def known?(name)
      return true if OTHERS.include?(name)

      number = name[/\A\d{10}(?=\.puro)/]
      number && number.to_i <= LAST_SEGMENT && (SEGMENT.match?(name) || TEMPORARY.match?(name)) || false
    end

    # A saved tail (F-41); `try` counts the names that were taken by something else.
    def tail(sequence, position, crc, try)
      format("%010d-%020d-%08x", sequence, position, crc) + (try.zero? ? "" : "-#{try}") + ".tail"
    end

    # Name of a consumer, identity of a producer (F-11).
    def check(name)
      return name if name.is_a?(String) && name.b.match?(/\A[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}\z/n)

      raise Refused, "#{name.inspect} cannot be a name"
    end
  end
end
