# frozen_string_literal: true

module Puro
  class Writer
    # Seals the active segment, makes and names the next (chapter 7).
    module Roll
      # What a file system needs for itself is each program's choice (V-2).
      SPARE = 4096

      def roll
        raise Refused, "no segment is left" if @chain.segment.sequence == LAST_SEGMENT # F-7
        raise Refused, "the name of the next segment is taken" if @directory.stat(next_name) # V-10

        # V-2, without the block that is to follow: its own write tells.
        Filesystem.check_room(@directory.io, maker.bytes.bytesize + UNIT + SPARE)
        write_block(Body::SEGMENT_END, ["".b, false], timestamp: @chain.highest_time) # V-3, without an index of topics
        make_next
      end

      # Behind the segment end: V-3's cut and sync, then V-4 and V-5. That is all that is left to do for who
      # finishes somebody else's rollover (V-6).
      def make_next
        raise Refused, "no segment is left" if @chain.segment.sequence == LAST_SEGMENT

        @chain.segment.truncate(@chain.position)
        sync
        made = maker.make(like: @chain.segment.io.stat) { Writer.hold(@lock) }
        raise Removed, "#{next_name} is gone" unless made

        step_into(Chain.scan(made))
        @names_synced = true # by V-5
      end

      private

      def next_name = Names.segment(@chain.segment.sequence + 1)

      # The next segment: it begins at the next offset, in the newest epoch (F-49).
      def maker
        header = Header.new(stream_id: @stream_id, base_offset: @chain.next_offset, created: @world.now,
                            sequence: @chain.segment.sequence + 1, generation: 0,
                            epoch: @chain.state.newest_epoch.number)
        SegmentMaker.new(@directory, header, @chain.state, @chain.highest_time)
      end
    end
  end
end
