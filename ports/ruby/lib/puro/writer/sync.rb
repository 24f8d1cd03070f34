# frozen_string_literal: true

module Puro
  class Writer
    # Syncs, and what is done when one fails (A-11, A-14). All are made under writer.lock here: that holds
    # others up, and needs no second lock to mend.
    module Sync
      # A segment that was left while it was not mended, and from where its blocks are to be rewritten.
      Debt = Struct.new(:chain, :from)

      # Syncs the segment, and all up to the end is known to be on disk then. `counts` is false for the cut
      # of a repair (X-5).
      def sync(counts: true)
        @debts.dup.each { |debt| pay(debt) } # before any sync is believed
        @owed ||= !synced? # where it is owed, never just again
        if @owed
          mend(@chain, known_durable) # at once, for writer.lock is held
          @owed = false
        end
        @synced_to = @chain.position if counts
      end

      # A-11. What fails here is appended, and not durable.
      def sync_appended
        sync if known_durable < @chain.position
      rescue SystemRefused, SystemCallError => e
        raise NotDurable, "appended, not durable: #{e.message}"
      end

      # What was synced by this writer, or is said by a block to be on disk.
      def known_durable = [@synced_to, @chain.durable_to].max

      private

      def synced?
        Calls.fdatasync(@chain.segment.io)
        true
      rescue SystemCallError
        false
      end

      # V-7. Where it fails it is done again before the next attempt goes on, and believed (A-14).
      def sync_names
        @directory.sync
        @names_synced = true
      end

      # Rewrites in place, with the bytes they have, all blocks not known to be on disk; then syncs.
      def mend(chain, from)
        at = from
        while at < chain.position
          bytes = chain.segment.pread([1 << 20, chain.position - at].min, at)
          raise SystemRefused, "#{chain.segment.name} became shorter" if bytes.empty?

          chain.segment.pwrite(bytes, at)
          at += bytes.bytesize
        end
        Calls.fdatasync(chain.segment.io)
      rescue SystemCallError => e
        raise SystemRefused, "a sync failed for good: #{e.message}"
      end

      def pay(debt)
        mend(debt.chain, debt.from)
        debt.chain.segment.close
        @debts.delete(debt)
      end

      # Leaves the segment. One that is not mended is mended now, or stays open until that succeeds.
      def leave
        return @chain.segment.close unless @owed

        debt = Debt.new(@chain, known_durable)
        @debts << debt
        begin
          pay(debt)
        rescue SystemRefused
          nil # before the next sync it is tried again
        end
      end
    end
  end
end
