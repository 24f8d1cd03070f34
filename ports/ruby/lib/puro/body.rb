# frozen_string_literal: true

module Puro
  # The records of one block (format.md, chapters 6 and 7).
  module Body
    RECORDS = 1
    CHECKPOINT = 2
    SEGMENT_END = 3

    module_function

    # Every record, those of control too. Whether they agree with the block's start is not asked (F-24).
    def each(body)
      at = 0
      while at < body.bytesize # F-28: they fill it exactly
        record, at = Record.decode(body, at)
        yield record
      end
    end

    # The records of users, with offset and time (F-29). All must agree with flags and record_count
    # (F-17, F-18), and with what is said of gaps (F-33).
    def records(body, start, generation)
      records = []
      offset = start.first_offset
      control = after_gap = false
      each(body) do |record|
        gap = record.control?("gap")
        control ||= record.control
        offset += 1 unless record.control
        offset += gap_length(record, start, generation, after_gap) if gap
        after_gap = gap
        next if record.control

        record.offset = offset - 1
        record.time = start.timestamp
        records << record
      end
      raise Damaged, "flag bit 0 does not agree with the records" if control != start.control? # F-17
      raise Damaged, "record_count does not agree with the records" if offset - start.first_offset != start.record_count

      records
    end

    def gap_length(record, start, generation, after_gap)
      raise Damaged, "a gap in a block of kind #{start.kind}" unless start.kind == RECORDS
      raise Damaged, "a gap in a segment that was not compacted" if generation.zero?
      raise Damaged, "two gaps side by side" if after_gap

      value = record.value || "".b
      count, behind = Varint.decode(value)
      raise Damaged, "a gap says something else than a number" if behind != value.bytesize || count.zero?

      count
    end
  end
end
