# frozen_string_literal: true

module Puro
  class Writer
    # Is the remembered end still the committed end (A-2 to A-6)? Under writer.lock.
    module Look
      def catch_up
        loop do
          next scan_again unless remembered?

          names = @chain.segment.named
          next lost_name unless names
          break ready_to_write(names) if clean?

          @chain.advance # A-3
          next if @chain.sealed? && go_on

          settle(names)
        end
      end

      private

      # Every writer needs the epochs (F-24, F-32), and a segment of one name (A-19).
      def ready_to_write(names)
        @chain.state.epochs
        only_name(names)
      end

      # The eight bytes before the end are as remembered, and the file has them (A-2, 1).
      def remembered?
        @chain.segment.pread(8, @chain.position - 8) == @chain.last_eight
      end

      # A-2, 2, and A-22: what is left of the open file is stepped over; without a later segment the stream
      # was removed.
      def lost_name
        @chain.advance
        return if @chain.sealed? && go_on

        raise Removed, "#{@chain.segment.name} was removed, moved or replaced"
      end

      # A-2, 5
      def clean?
        return false if @chain.sealed? || !@chain.opened_by_checkpoint? || known > @chain.position

        @must_see_all ? all_zeros? : @chain.segment.zeros?(@chain.position, @chain.position + UNIT)
      end

      # Z-6
      def all_zeros?
        return false unless @chain.segment.zeros?(@chain.position)

        @must_see_all = false
        true
      end

      # No later segment is there: second names, repair, finish, in this order (A-19, A-22, A-5, A-6).
      def settle(names)
        only_name(names)
        if known > @chain.position || !@chain.opened_by_checkpoint? || !@chain.segment.zeros?(@chain.position)
          repair
        elsif @chain.sealed?
          make_next # V-6: the cut and the sync of V-3 come first in it
        end
      end

      # A-19. The segment's own temporary name does not count, and is removed.
      def only_name(names)
        return if names.nlink == 1

        temporary = Names.temporary(@chain.segment.sequence)
        other = @directory.stat(temporary)
        if other && Directory.identity(other) == @chain.segment.identity
          @directory.unlink(temporary)
          names = @chain.segment.named
        end
        raise Refused, "#{@chain.segment.name} has other names" if names && names.nlink > 1
      end

      # Behind a segment end: into the next segment, or where that is missing and a later one is there,
      # opened anew (A-3). False where the rollover is to be finished.
      def go_on
        following = successor
        if following
          check_successor(following)
          step_into(Chain.new(following))
        elsif Listing.later?(@directory, @chain.segment.sequence, @stream_id)
          open_active
        else
          return false
        end
        true
      end

      def successor
        number = @chain.segment.sequence + 1
        Segment.open(@directory, number, write: true) if number <= LAST_SEGMENT
      end

      def check_successor(following)
        problem = if !following.of?(@stream_id) then [Refused, "is of another stream, or out of its place"]
                  elsif following.header.base_offset != @chain.next_offset then [Damaged, "does not begin here"] # F-49
                  end
        return unless problem

        following.close
        raise problem.first, "#{following.name} #{problem.last}"
      end

      # A-4: once more from the header. Where that does not come by the remembered end, the memory was
      # wrong, and what was known to be on disk counts for the recovery table alone (A-20).
      def scan_again
        old = @chain
        @known = known
        same_header!
        fresh = Chain.new(old.segment)
        right = passes?(fresh, old)
        fresh.advance { right ||= passes?(fresh, old) }
        @synced_to = 0 unless right
        @chain = fresh
        @must_see_all = true
        @scanned = true
      end

      def passes?(fresh, old) = fresh.position == old.position && fresh.last_eight == old.last_eight

      def same_header!
        now = Header.parse(@chain.segment.pread(HEADER_BYTES, 0), write: true)
        raise Damaged, "the header of #{@chain.segment.name} changed" unless now == @chain.segment.header
      end

      # What this writer knows of the segment, for the recovery table.
      def known = [@known, known_durable].max
    end
  end
end
