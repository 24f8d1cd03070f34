# frozen_string_literal: true

module Puro
  # The committed blocks of one segment, from its header to the committed end (O-3), and what they say:
  # the *end* of the specification, and the state at it.
  class Chain
    attr_reader :segment, :position, :crc, :next_offset, :epoch, :state, :highest_time, :durable_to,
                :opening_end, :opening_time, :last_eight

    def self.scan(segment) = new(segment).tap(&:advance)

    def initialize(segment)
      @segment = segment
      header = segment.header
      @position = HEADER_BYTES
      @crc = header.crc
      @last_eight = [header.epoch, header.crc].pack("VV") # what stands right before the end (A-2)
      @next_offset = header.base_offset
      @epoch = header.epoch
      @state = State.new
      @highest_time = 0 # of records blocks, in this segment and before (F-22)
      @durable_to = 0 # the highest that was read (A-11)
      @opening = true
      @sealed = false
    end

    def sealed? = @sealed

    # Did at least one checkpoint open the segment (F-25)?
    def opened_by_checkpoint? = !@opening_end.nil?

    # Does no block follow the opening checkpoints (V-1)?
    def fresh? = @opening

    # Behind the block that raised the newest epoch; nil where that is known to be on disk by its place (E-4).
    attr_reader :raised_at

    # Steps over every committed block (A-3), not beyond a segment end. The last finding.
    def advance
      loop do
        return nil if @sealed

        found = check
        return found unless found.committed?

        accept(found.start, found.crc, found.body)
        yield self if block_given?
      end
    end

    def check
      Block.check(@segment, @position, @segment.header.crc, @segment.header.generation, self)
    end

    # Takes in a committed block.
    def accept(start, crc, body)
      @state.fold(start, body)
      pass(start, crc)
    end

    # Takes in a committed block, but not what its body says.
    def pass(start, crc)
      note_place(start)
      @position += start.length
      @raised_at = @position if start.kind == Body::RECORDS && start.epoch > @epoch
      @crc = crc
      @last_eight = [start.body_len, crc].pack("VV")
      @next_offset = start.next_offset
      @epoch = start.epoch
      @highest_time = [@highest_time, start.timestamp].max
      @durable_to = [@durable_to, start.durable_to].max
      @sealed = start.kind == Body::SEGMENT_END
      @opening_end = @position if @opening
    end

    private

    def note_place(start)
      if start.kind == Body::CHECKPOINT
        @raised_at = nil # E-4: a checkpoint says that the beginning of its epoch is on disk (O-7)
        @opening_time = start.timestamp if @opening && !@opening_time
      else
        @opening = false
      end
    end
  end
end
