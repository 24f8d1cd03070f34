# frozen_string_literal: true

module Puro
  class Writer
    # Back to a clean end (A-5, chapter 5). Under writer.lock. Behind it catch_up looks again.
    module Repair
      private

      def repair
        return open_active if later? # A-5, 1: nothing is changed in a segment that is not active
        return scan_again unless @scanned # A-5, 2

        found = Diagnosis.new(@chain, @world, known)
        case found.label # A-5, 3
        when "damaged" then raise Damaged, "#{@chain.segment.name} is damaged at or behind #{found.position}" # X-2
        when "unseen" then cut(found) # X-3
        when "lost" then lost(found)
        end
      end

      # The next number by itself, then a listing (A-5).
      def later?
        following = successor
        following&.close
        following&.of?(@stream_id) || Listing.later?(@directory, @chain.segment.sequence, @stream_id)
      end

      # X-5. Nothing is taken as known to be on disk for this sync.
      def cut(found, saved = nil)
        @chain.segment.truncate(found.position)
        sync(counts: false)
        @repairs << Repaired.new(found.label, @chain.segment.sequence, found.position,
                                 found.length - found.position, saved)
      end

      # X-4 to X-6: save, cut, raise; not so behind a segment end.
      def lost(found)
        saved = SavedTail.new(@chain.segment, found.position, found.length).save
        @names_synced = true # X-6: the directory was synced for the tail
        cut(found, saved)
        raise_epoch unless @chain.sealed?
      end
    end
  end
end
