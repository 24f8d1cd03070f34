# frozen_string_literal: true

module Puro
  # Reads the records of a stream from a place on, beside everybody else (chapter 8). The only lock is a
  # shared one on the segment it is in.
  class Reader
    include Seek

    attr_reader :stream_id, :directory, :position, :crc, :next_offset, :epoch

    def self.open(path, at: :beginning, world: World.new, lock_seconds: LOCK_SECONDS, network: false)
      directory = Stream.directory(path, network: network)
      new(directory, world, lock_seconds).tap { |reader| reader.seek(at) }
    rescue StandardError
      directory&.close
      raise
    end

    def initialize(directory, world, lock_seconds)
      @directory = directory
      @world = world
      @lock_seconds = lock_seconds
      @stream_id = Listing.new(directory).stream_id
      @queue = []
      @process = Process.pid
    end

    # The next record; nil at the end of the stream.
    def next_record
      raise Refused, "a handle of another process" unless @process == Process.pid # L-3

      while @queue.empty?
        found = peek or return nil
        take(found)
      end
      @queue.shift
    end

    # The place that is read next (E-7).
    def token = Token.new(@stream_id, @epoch, @queue.empty? ? @next_offset : @queue.first.offset)

    # Entries and next offset of the active segment (O-3).
    def active_chain
      segment = nil
      START_OVER.times do
        listing = Listing.new(@directory, @stream_id)
        break if (segment = Segment.open(@directory, listing.active))
      end
      raise SystemRefused, "the segments change too fast" unless segment

      Chain.scan(segment)
    ensure
      segment&.close
    end

    # Closing lets go of the shared lock.
    def close
      @segment&.close
      @directory.close
    end

    # The next committed block with records or a state, and segment ends behind it hopped over; nil
    # where the stream ends for now (R-3, R-4, R-5).
    def peek
      raise @lasting if @lasting

      loop do
        found = check
        found = check_again unless found.committed?
        return found if found.nil? || found.start.kind != Body::SEGMENT_END
        return nil unless hop(found.start)
      end
    end

    private

    # The records of a block go into the queue. All are looked at before the first is delivered; where
    # one breaks a rule the place stays before the block, and every later call tells it again (R-3).
    def take(found, from = 0)
      records = Body.records(found.body, found.start, @segment.header.generation)
      pass(found)
      @queue = records.drop_while { |record| record.offset < from }
    end

    def pass(found)
      @position += found.start.length
      @crc = found.crc
      @next_offset = found.start.next_offset
      @epoch = found.start.epoch
      remember if found.start.record_count.positive?
    end

    # R-11: where the last block that took offsets ends.
    def remember
      @solid = [@position, @crc]
    end

    def check = Block.check(@segment, @position, @segment.header.crc, @segment.header.generation, self)

    # No committed block. In the active segment that means "nothing yet"; in a sealed one, where a second
    # look says the same, it is damage (R-4, R-5).
    def check_again
      return nil unless later?

      found = check
      return found if found.committed?

      raise Damaged, "no committed block at #{@position} of #{@segment.name}"
    end

    # A later segment of the stream? The next name first, then a listing (R-5, V-11).
    def later?
      following = Segment.open(@directory, @segment.sequence + 1)
      following&.close
      following&.of?(@stream_id) || Listing.later?(@directory, @segment.sequence, @stream_id)
    end

    # Hand over hand into the next segment (V-8). False where it is not there yet.
    def hop(end_start)
      following = pin(@segment.sequence + 1) or return hole
      raise Damaged, "#{following.name} is not of this stream" unless following.of?(@stream_id)
      unless following.header.base_offset == end_start.first_offset # F-49
        raise Damaged, "#{following.name} does not begin where #{@segment.name} ends"
      end

      lasting(OutOfRange, "#{@segment.name} was taken away") unless @segment.named
      @segment.close
      stand(following)
      true
    rescue StandardError
      following&.close unless @segment.equal?(following)
      raise
    end

    # The next number is missing (V-9): first that is seen, only then the own name is looked up.
    def hole
      listing = begin
        Listing.new(@directory, @stream_id)
      rescue NotAStream
        return false
      end
      return true if listing.numbers.include?(@segment.sequence + 1) # it came meanwhile: hop again
      return false unless listing.later?(@segment.sequence)
      raise Damaged, "the segment behind #{@segment.name} is missing" if @segment.named

      lasting(OutOfRange, "#{@segment.name} was taken away")
    end

    # Opens, locks shared, and sees that the name still leads there; else anew (R-2, R-14). nil where the
    # name is gone.
    def pin(number)
      START_OVER.times do
        segment = Segment.open(@directory, number) or return nil
        begin
          FileLock.wait(segment.io, FileLock::SHARED, FileLock.now + @lock_seconds, segment.name)
          return segment if segment.named
        rescue StandardError
          segment.close
          raise
        end
        segment.close
      end
      raise SystemRefused, "the segments change too fast"
    end

    # Behind the header of a segment that is pinned (F-21, E-7).
    def stand(segment)
      @segment&.close unless @segment.equal?(segment)
      @segment = segment
      @position = HEADER_BYTES
      @crc = segment.header.crc
      @next_offset = segment.header.base_offset
      @epoch = segment.header.epoch
      @queue = []
      remember
    end

    # An answer that no later look takes back is given to every later call (R-16).
    def lasting(kind, text)
      @lasting = kind.new(text)
      raise @lasting
    end
  end
end
