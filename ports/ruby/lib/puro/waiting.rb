# frozen_string_literal: true

module Puro
  # A reader that waits at the end (R-6, R-8, R-11).
  class Reader
    # Called with :repairable or :damage, and a text, where bytes stand behind the end that stay (R-6).
    attr_writer :notice

    # The next record; nil when `seconds` are over. It looks once in each poll interval: to be notified by
    # the system is a favour that the standard library does not have (R-8).
    def wait_record(seconds)
      deadline = FileLock.now + seconds
      loop do
        record = next_record if @queue.any? || look_around
        return record if record

        look_behind
        return nil if FileLock.now >= deadline

        sleep(POLL_INTERVAL)
      end
    end

    private

    # R-11. False: nothing may be delivered from here on, and nobody has repaired yet.
    def look_around
      raise @lasting if @lasting

      moved = !@directory.at_its_path?
      gone(moved) if moved || !@segment.named
      return true if stands?(@position, @crc)

      compare_with_history
    end

    def gone(moved)
      later = !moved && Listing.later?(@directory, @segment.sequence, @stream_id)
      later ? lasting(OutOfRange, "#{@segment.name} was taken away") : lasting(Removed, "the stream was removed or moved")
    end

    # Does a crc stand right before that place? At the header's end that is the header's own.
    def stands?(position, crc) = @segment.pread(4, position - 4) == [crc].pack("V")

    # What was read was cut off, or damaged.
    def compare_with_history
      chain = active_chain
      History.check_epochs(token, chain.state)
      if stands?(*@solid)
        # Only blocks without records were taken back.
        return false if chain.next_offset < @next_offset

        seek_offset(@next_offset)
        return true
      end
      own = Chain.scan(@segment)
      lasting(Diverged, "others were appended in place of what was read") if own.next_offset >= @next_offset
      false
    rescue Diverged => e
      lasting(Diverged, e.message)
    end

    # R-6: what stands behind the end at two looks is told, once. All of it is read only when its length
    # or its beginning changed (R-4).
    def look_behind
      seen = [@position, @segment.size, @segment.pread(UNIT, @position)]
      if seen != @seen
        @seen = seen
        @judged = false
      elsif !@judged
        @judged = true
        tell_behind
      end
    end

    def tell_behind
      chain = Chain.scan(@segment)
      case (found = Diagnosis.new(chain, @world)).label
      when "unseen", "lost" then @notice&.call(:repairable, "#{@segment.name} #{found.position}: #{found.label}")
      when "damaged" then @notice&.call(:damage, "#{@segment.name} #{found.position}: damaged")
      end
    end
  end
end
