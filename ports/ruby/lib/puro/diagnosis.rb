# frozen_string_literal: true

module Puro
  # The recovery table (chapter 5): what stands behind the committed end P. It only looks.
  class Diagnosis
    CHUNK = 1 << 20

    attr_reader :label, :position, :length

    # `chain` was read from the header just now; `known` is what the writer itself knows to be on disk (A-20).
    def initialize(chain, world, known = 0)
      @segment = chain.segment
      @chain = chain
      @position = chain.position
      @length = @segment.size
      @this_boot = world.this_boot?(chain.state.newest_epoch.boot)
      @known = [known, chain.durable_to].max
      @behind = false # does a start stand there?
      @high_behind = false # is a block there valid and high?
      look_behind
      @label = decide
    end

    private

    # The first row that applies (X-1). That a byte cannot be read shows as a SystemCallError.
    def decide
      if !@chain.opened_by_checkpoint? || @known > @position || (@high_behind && @this_boot) then "damaged"
      elsif @segment.zeros?(@position) then "clean"
      elsif first_byte_low? && !@behind && @this_boot then "unseen"
      else "lost"
      end
    end

    def first_byte_low? = @segment.pread(1, @position) == "\0".b

    # Every multiple of 64 from P and the extent on (X-9). A start within a block that was checked is not
    # checked again, and counts all the same (X-10).
    def look_behind
      checked_to = 0
      each_start(@position + extent) do |start, at|
        @behind = true
        @known = [@known, start.durable_to].max
        next if at < checked_to

        checked_to = at + start.length
        found = Block.check(@segment, at, @segment.header.crc, @segment.header.generation, @chain)
        @high_behind ||= found.valid? && start.high?
      end
    end

    def extent
      start = Start.standing(@segment.pread(START_BYTES, @position), @segment.header.crc, @position)
      start ? start.length : UNIT
    end

    def each_start(from)
      while from < @length
        bytes = @segment.pread(CHUNK, from)
        break if bytes.empty?

        unless bytes.count("^\0").zero?
          0.step(bytes.bytesize - START_BYTES, UNIT) do |at|
            next unless bytes.getbyte(at + 1).between?(1, 3) # kind; nearly always all that is looked at

            start = Start.standing(bytes.byteslice(at, START_BYTES), @segment.header.crc, from + at)
            yield start, from + at if start
          end
        end
        from += CHUNK
      end
    end
  end
end
