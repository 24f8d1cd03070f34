# frozen_string_literal: true

module Puro
  class Writer
    # One block at the committed end (A-7 to A-9). Under writer.lock, behind catch_up.
    module Append
      # Other bytes than zeros stand where a block is to go (Z-7).
      class InTheWay < StandardError; end

      # Appends a block of records and control records. `records` are the user's, encoded; `entries` gives
      # the control records behind them, for they may tell where they stand (C-3, C-4, C-5). Its first offset.
      def append(records, count, durable: false, &entries)
        begin
          ready
          guarded = compose(records, entries)
          unless fits?(guarded.first.bytesize)
            roll
            guarded = compose(records, entries) # its pad is made anew (V-1)
          end
          sync_epoch
          first = @chain.next_offset
          write_block(Body::RECORDS, guarded, record_count: count, control: !entries.nil?)
        rescue InTheWay
          @must_see_all = true
          catch_up # which repairs
          retry
        end
        if durable
          put_zeros
          sync_appended
        end
        first
      end

      # E-2. A raise of this handle is what counts where the boot is unknown.
      def needs_epoch?
        return !@raised unless @world.boot_known?

        @chain.state.newest_epoch.boot != @world.boot
      end

      private

      # A-7: names first (V-7), then the epoch.
      def ready
        sync_names unless @names_synced
        raise_epoch if needs_epoch?
      end

      # The body for the place where the end is now, and whether it has a pad.
      def compose(records, entries)
        guard(entries ? records + entries.call(self).map(&:encode).join : records)
      end

      def guard(body) = Forgery.guard(body, @chain.segment.header.crc, @chain.position)

      # V-1; the length is that with the pad for this place.
      def fits?(body_len)
        return true if @chain.fresh?

        most = @chain.state.setting("segment_bytes").to_i
        @chain.position + Block.length(body_len) - @chain.opening_end <= most
      end

      # E-3: a block of its own, on disk before any record of that epoch.
      def raise_epoch
        newest = @chain.state.newest_epoch.number
        raise Refused, "no epoch is left" if newest == LAST_EPOCH

        now = @world.now
        entry = State::Epoch.new(newest + 1, @chain.next_offset, @world.boot, now).entry
        write_block(Body::RECORDS, guard(entry.encode), control: true, epoch: newest + 1, timestamp: now)
        @raised = true
        sync
      end

      # E-4
      def sync_epoch
        sync if @chain.raised_at && known_durable < @chain.raised_at
      end

      # A-8 and A-9. `guarded` is a body and whether it has a pad.
      def write_block(kind, guarded, record_count: 0, control: false, epoch: @chain.state.newest_epoch.number,
                      timestamp: @world.now)
        body, padded = guarded
        segment = @chain.segment
        position = @chain.position
        bytes, crc = Block.encode(segment.header.crc, position, body,
                                  kind: kind, flags: control || padded ? 1 : 0, record_count: record_count,
                                  prev_crc: @chain.crc, first_offset: @chain.next_offset, timestamp: timestamp,
                                  durable_to: known_durable, epoch: epoch)
        # No room is reserved (A-8): Ruby has no fallocate.
        raise InTheWay unless segment.zeros?(position, position + bytes.bytesize + UNIT)

        write_low(bytes, position)
        commit(position)
        @chain.accept(Start.parse(bytes), crc, body)
      end

      def write_low(bytes, position)
        @chain.segment.pwrite(bytes, position)
      rescue SystemCallError
        give_up(position)
        raise
      end

      # A-9. Where its write reports an error the byte is read back, and says what came of it (A-13).
      def commit(position)
        @chain.segment.pwrite([Block::HIGH].pack("C"), position)
      rescue SystemCallError
        case read_back(position)
        when Block::HIGH then nil
        when Block::LOW
          give_up(position)
          raise
        else
          @must_see_all = true
          raise Unknown, "whether it was appended is not known"
        end
      end

      def read_back(position)
        @chain.segment.pread(1, position).getbyte(0)
      rescue SystemCallError
        nil
      end

      # A-12, Z-5: what was written is cut off, or left low for the next repair.
      def give_up(position)
        @must_see_all = true
        @chain.segment.truncate(position)
      rescue SystemCallError
        nil
      end
    end
  end
end
