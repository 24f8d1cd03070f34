# frozen_string_literal: true

module Puro
  # Where a reader begins (R-9, R-10, E-7). Part of Reader.
  module Seek
    # `at`: :beginning, :end, an offset, a Token, or [:time, ms].
    def seek(at)
      case at
      when :beginning then seek_beginning
      when :end then seek_end
      when Integer then seek_offset(at)
      when Token then seek_token(at)
      else seek_time(at.last)
      end
    end

    def seek_beginning
      start_over { |listing| enter(listing.ascending.first) }
    end

    def seek_end
      start_over { |listing| enter(listing.active) }
      while (found = peek)
        pass(found)
      end
    end

    # In the segment with the highest base_offset at or below it; then on to the block that holds it.
    def seek_offset(offset)
      start_over { |listing| enter(segment_of(listing, offset)) }
      while (found = peek) && found.start.next_offset <= offset
        pass(found)
      end
      if found
        take(found, offset) if found.start.first_offset < offset # in the middle of it
      elsif @next_offset < offset
        raise OutOfRange, "the stream ends at #{@next_offset}, before #{offset}"
      end
    end

    # E-7 is asked first (R-9).
    def seek_token(token)
      chain = active_chain
      History.check(token, @stream_id, chain.state, chain.next_offset)
      seek_offset(token.offset)
    end

    # F-22, R-10, and what R-17 says of clocks that were ahead: what is found is the offset to begin at.
    def seek_time(time)
      believed = time <= @world.now ? ->(stamp) { stamp <= @world.now } : ->(_) { true }
      start_over { |listing| enter(segment_before(listing, time, believed)) }
      offset = offset_of_time(time, believed)
      offset ? seek_offset(offset) : seek_end
    end

    private

    # What was listed may be gone by now: then it is listed and sought anew (R-14).
    def start_over
      START_OVER.times do
        return if yield Listing.new(@directory, @stream_id)
      end
      raise SystemRefused, "the segments change too fast"
    end

    # Stands behind the header of that segment; false where its name is gone.
    def enter(number)
      segment = number && pin(number)
      return false unless segment

      stand(segment)
      true
    end

    def segment_of(listing, offset)
      found = listing.descending.find { |number| (listing.header(number)&.base_offset || offset + 1) <= offset }
      return found if found

      lowest = listing.ascending.first
      raise Damaged, "the header of the lowest segment is not valid" unless listing.header(lowest) || gone?(lowest)

      raise OutOfRange, "#{offset} is before the stream" unless gone?(lowest)
    end

    def gone?(number) = @directory.stat(Names.segment(number)).nil?

    # The last segment whose first opening checkpoint has a timestamp below the time, or the lowest (R-10).
    def segment_before(listing, time, believed)
      listing.descending.find do |number|
        stamp = first_timestamp(number)
        stamp && stamp < time && believed.call(stamp)
      end || listing.ascending.first
    end

    def first_timestamp(number)
      segment = Segment.open(@directory, number) or return nil
      found = Chain.new(segment).check
      segment.close
      found.start.timestamp if found.committed?
    end

    # The first records block at which the running maximum is at least `time` (F-22). A block by a clock
    # that was ahead counts as of the next one that is believed (R-17).
    def offset_of_time(time, believed)
      doubtful = nil
      reached = false
      while (found = peek)
        pass(found)
        start = found.start
        trusted = believed.call(start.timestamp)
        reached ||= trusted && start.timestamp >= time
        next if start.kind != Body::RECORDS
        return doubtful || start.first_offset if reached

        doubtful = trusted ? nil : doubtful || start.first_offset
      end
      doubtful
    end
  end
end
