# frozen_string_literal: true

module Puro
  class Verifier
    # Fields that depend on the place (K-9). Part of SegmentCheck.
    module Places
      private

      # The highest timestamp of all records blocks before is known where all of them were seen: in the first
      # segment ever, behind a segment that is whole, and from the first checkpoint on that says it.
      def begin_places
        @highest = if @before then @before.highest
                   elsif @segment.sequence.zero? then 0
                   end
        @openings = []
      end

      # `fresh`: only opening checkpoints stood before.
      def place(start, position, fresh)
        checkpoint = start.kind == Body::CHECKPOINT
        damage(position, "the first block is no checkpoint") if position == HEADER_BYTES && !checkpoint
        if fresh && checkpoint
          @openings << [position, start]
          wrong_epoch(start, position, @segment.header.epoch)
        else
          damage(position, "durable_to lies beyond the block") if start.durable_to > position
          wrong_epoch(start, position, newest)
        end
        time(start, position)
      end

      def newest
        @chain.state.newest_epoch.number
      rescue Damaged
        nil # told as K-10
      end

      def wrong_epoch(start, position, right)
        damage(position, "the epoch is #{start.epoch}, not #{right}") unless right.nil? || start.epoch == right
      end

      # F-22
      def time(start, position)
        if start.kind == Body::RECORDS
          @highest = [@highest, start.timestamp].max if @highest
        elsif @highest.nil?
          @highest = start.timestamp
        elsif start.timestamp != @highest
          damage(position, "the timestamp is #{start.timestamp}, not the highest before, #{@highest}")
        end
      end

      # F-23, F-38: known only at the end of a compacted segment.
      def end_of_places
        compacted = @segment.header.generation.positive?
        return if compacted && !@chain.sealed?

        right = compacted ? @chain.position : @chain.opening_end
        @openings.each do |position, start|
          damage(position, "durable_to is #{start.durable_to}, not #{right}") unless start.durable_to == right
        end
      end

      public

      attr_reader :highest
    end
  end
end
