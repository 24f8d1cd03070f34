# frozen_string_literal: true

module Puro
  class Verifier
    # One segment: header, blocks, end (K-7 to K-13).
    class SegmentCheck
      include Places
      include Deep

      attr_reader :segment, :chain

      # `before` is the check of the segment before, nil where that is not there or cannot be read.
      def initialize(verifier, segment, world, before, deep:)
        @verifier = verifier
        @segment = segment
        @world = world
        @before = before if before&.whole? && before.segment.sequence + 1 == segment.sequence
        @deep = deep
        @chain = Chain.new(segment)
        @whole = true
        begin_places
        begin_deep
      end

      def run(sealed:)
        continue_before
        blocks
        sealed ? end_of_sealed : end_of_active
        judge_checkpoint
        end_of_places
      end

      def sealed? = @chain.sealed?
      def position = @chain.position

      # Was nothing damaged, so that what follows can be judged by it?
      def whole? = @whole

      def damage(position, text)
        @whole = false
        @verifier.found("damage", @segment.name, position, text)
      end

      private

      # K-7, F-49
      def continue_before
        return unless @before

        header = @segment.header
        unless header.base_offset == @before.chain.next_offset
          damage(0, "base_offset is #{header.base_offset}, not #{@before.chain.next_offset}")
        end
        newest = @before.chain.state.newest_epoch.number
        damage(0, "the header's epoch is #{header.epoch}, not #{newest}") unless header.epoch == newest
      end

      # K-8: each is committed, up to the first that is not.
      def blocks
        until @chain.sealed?
          found = @chain.check
          break unless found.committed?

          block(found)
        end
      end

      # Records and places of one block; then it is taken into the chain and its state (K-10).
      def block(found)
        position = @chain.position
        fresh = @chain.fresh?
        expect_state(found.start, fresh) if @deep
        begin
          # R-15: whatever makes a reader stop.
          Body.records(found.body, found.start, @segment.header.generation)
          @chain.accept(found.start, found.crc, found.body)
          @chain.state.epochs # K-10
        rescue Damaged => e
          damage(position, e.message)
          @chain.pass(found.start, found.crc) if @chain.position == position
        end
        place(found.start, position, fresh)
        deep(found, position, fresh) if @deep && @whole
      end

      # K-11
      def end_of_sealed
        if !@chain.sealed?
          damage(@chain.position, "no committed block, and no segment end before it")
          go_on
        elsif !@segment.zeros?(@chain.position)
          damage(@chain.position, "bytes stand behind the segment end")
        end
      end

      # K-11: verification goes on at the next multiple of 64 where a start is right. What depends on the
      # chain is not judged there.
      def go_on
        at = @chain.position + UNIT
        while at < @segment.size
          start = Start.standing(@segment.pread(START_BYTES, at), @segment.header.crc, at)
          next at += UNIT unless start

          found = Block.check(@segment, at, @segment.header.crc, @segment.header.generation, @chain)
          damage(at, "the block is not valid, or not committed") unless found.valid? && start.high?
          at += found.valid? ? start.length : UNIT
        end
      end

      # K-12: what stands at the end is judged by the recovery table. A second look comes where it is not clean,
      # and as many more as the end moves on.
      def end_of_active
        loop do
          seen = Diagnosis.new(@chain, @world)
          return if seen.label == "clean"

          blocks
          next if @chain.position != seen.position

          label = seen.label
          return damage(seen.position, "the recovery table says damaged") if label == "damaged"

          return @verifier.found("repairable", @segment.name, seen.position, "the recovery table says #{label}")
        end
      end
    end
  end
end
