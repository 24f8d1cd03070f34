# frozen_string_literal: true

module Puro
  # What is asked under the lock, behind catch_up, before anything is appended.
  module Conditions
    Producer = Struct.new(:sequence, :first_offset, :record_count, :epoch, :time) do
      def self.parse(value) = value&.bytesize == 32 ? new(*value.unpack("Q<Q<VVQ<")) : nil
      def encode = to_a.pack("Q<Q<VVQ<")
    end

    module_function

    # A-16: the next offset equals the token's, which has not diverged. Where both fail, diverged is the answer.
    def check_end(writer, token)
      chain = writer.chain
      History.check(token, writer.stream_id, chain.state, chain.next_offset)
      return if chain.next_offset == token.offset

      raise Conflict, "others appended: the stream ends at #{chain.next_offset}, not at #{token.offset}"
    end

    # C-4: the entry of an identity whose append this repeats; nil for a new one.
    def duplicate(writer, identity, sequence, records)
      entry = Producer.parse(writer.chain.state.value("producer", identity))
      return nil if entry.nil? || entry.sequence < sequence
      raise OldSequence, "#{identity} is at #{entry.sequence} by now" if entry.sequence > sequence
      unless entry.record_count == records.size && same?(writer, entry, records)
        raise OldSequence, "#{identity} used #{sequence} for another batch"
      end

      entry
    end

    # Are those that are still there the ones given? What was deleted or compacted counts as the same.
    def same?(writer, entry, records)
      reader = Reader.new(writer.directory.again, writer.world, LOCK_SECONDS)
      reader.seek(entry.first_offset)
      while (found = reader.next_record) && found.offset < entry.first_offset + entry.record_count
        return false unless found.encode == records[found.offset - entry.first_offset].encode
      end
      true
    rescue OutOfRange
      true
    ensure
      reader&.close
    end

    # C-5: the higher of the own clock and of when the active segment began.
    def entry_time(writer)
      chain = writer.chain
      [writer.world.now, [chain.segment.header.created, chain.opening_time].min].max
    end

    # C-4: what is remembered of this append.
    def producer_entry(writer, identity, sequence, count)
      entry = Producer.new(sequence, writer.chain.next_offset, count, writer.chain.state.newest_epoch.number,
                           entry_time(writer))
      Record.control("producer", key: identity.b, value: entry.encode)
    end
  end
end
